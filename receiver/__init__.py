"""The recording archive. `deploy/decisions/` says why it is as it is; the README names its parts."""
