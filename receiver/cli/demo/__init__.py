"""`receiver demo`: the whole way of a recording, on this machine, with real bytes and a proof at the end."""
