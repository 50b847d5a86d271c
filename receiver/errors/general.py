"""What is not the end of a job: refusals of a start, of a question, of a write."""

from __future__ import annotations


class ReceiverError(Exception):
    """Root of the errors this service raises on purpose."""


class SettingsError(ReceiverError):
    """One or more settings are missing or wrong; the message lists all of them."""


class SchemaOutdatedError(ReceiverError):
    """The database is not at the schema this release needs; `receiver migrate` brings it there."""


class DatabaseLockedError(ReceiverError):
    """Another process works on this SQLite file; only one may (`DATABASE_URL=postgresql://…` allows many)."""


class StorageUnavailableError(ReceiverError):
    """The database could not take the write now; nothing was stored and the same request may be sent again."""


class FenceLostError(ReceiverError):
    """Another run took the recording over; the run that sees this must stop and change nothing."""


class NotFoundError(ReceiverError):
    """No row has this id."""


class WalkTakenError(ReceiverError):
    """Another process took the reconciliation over; the one that sees this must stop and change nothing."""


class WrongStateError(ReceiverError):
    """The recording's state does not allow the asked change; the message names both."""


class KeyTakenError(ReceiverError):
    """An object already lies under the key; whether it is ours is for the caller to find out."""


class InvalidQueryError(ReceiverError):
    """A listing's filter, sort, limit or cursor is not understood; the message names the parameter."""
