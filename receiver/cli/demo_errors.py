"""What can go wrong with the demo itself, as opposed to what it proves."""

from __future__ import annotations

from receiver.errors import ReceiverError


class DemoError(ReceiverError):
    """A part of the demo did not start or did not answer as it should."""
