"""Every way a job can end badly, each with the stable code that rows, metrics and operators see.

A `JobError` subclass says what happened, whether trying again can help (`kind`), and whether the try counts against
`MAX_ATTEMPTS` (`burns_attempt`). Messages tell an operator what to do and never carry a URL's query, a token or a key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


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


class InvalidQueryError(ReceiverError):
    """A listing's filter, sort, limit or cursor is not understood; the message names the parameter."""


class Kind(StrEnum):
    """What another try can do: perhaps help, never help, or nothing since the API no longer lists the recording."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    MISSING = "missing"


class JobError(ReceiverError):
    """A run's failure. `retry_after_s` is the least wait the other side asked for, if it did."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.TRANSIENT
    burns_attempt: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InternalError(JobError):
    """A defect of this service met in a run; the log has the traceback."""


class WorkerCrashedError(JobError):
    """Runs of this recording ended without a word (kill, out of memory) as often as attempts allow."""

    code = "worker_crashed"
    kind = Kind.PERMANENT


# --- the Meetings API ---


class ApiUnavailableError(JobError):
    """Connection refused, time-out, 429 or 5xx."""

    code = "api_unavailable"


class ApiUnauthorizedError(JobError):
    """401, also after one new login."""

    code = "api_unauthorized"


class ApiForbiddenError(JobError):
    """403: the credentials may not list this meeting's recordings."""

    code = "api_forbidden"


class ApiLoginRefusedError(JobError):
    """`POST /session` was refused, or answered with another user than `API_USER_ID`."""

    code = "api_login_refused"


class ApiBadAnswerError(JobError):
    """The answer is not the JSON that the page promises."""

    code = "api_bad_answer"


class ApiRefusedError(JobError):
    """400 or 422: the API did not understand the request."""

    code = "api_refused"


class RecordingNotListedYetError(JobError):
    """The listing answered without this recording; it may come late, so the try is not counted."""

    code = "recording_not_listed"
    burns_attempt = False


class RecordingGoneError(JobError):
    """The meeting is unknown to the API, or the recording was not listed within `LISTING_GRACE_S`."""

    code = "recording_gone"
    kind = Kind.MISSING


class NoFreshUrlError(JobError):
    """No API credentials are set and the payload's URL has expired or was never given."""

    code = "no_fresh_url"
    kind = Kind.PERMANENT


# --- the source file ---


class SourceUrlForbiddenError(JobError):
    """The URL's origin is not in `DOWNLOAD_HOSTS`, or its address is not public nor in `DOWNLOAD_NETWORKS`."""

    code = "source_url_forbidden"
    kind = Kind.PERMANENT


class SourceDeniedError(JobError):
    """403 with a URL that should be fresh."""

    code = "source_denied"


class SourceNotFoundError(JobError):
    """404 or 410 at the download URL."""

    code = "source_not_found"


class SourceUnavailableError(JobError):
    """Connection refused or reset, 429, 5xx, or a status that no download has."""

    code = "source_unavailable"


class SourceStalledError(JobError):
    """No byte came for the progress window, or the file's deadline passed."""

    code = "source_stalled"


class SourceTruncatedError(JobError):
    """Fewer bytes came than the answer promised, again after resuming."""

    code = "source_truncated"


class SourceEmptyError(JobError):
    """The file has no bytes."""

    code = "source_empty"


class SourceNotMediaError(JobError):
    """The body is text, HTML, XML or JSON: an error page, not a recording."""

    code = "source_not_media"


class SourceLengthMismatchError(JobError):
    """The answer's own lengths contradict each other (Content-Length, Content-Range, bytes that came)."""

    code = "source_length_mismatch"


class SourceLengthUnknownError(JobError):
    """The answer promises no length, so a cut file could not be told from a whole one."""

    code = "source_length_unknown"


class SourceChangedError(JobError):
    """The file's ETag or bytes changed while it was being read; the next run starts anew."""

    code = "source_changed"


class SourceIncompleteError(JobError):
    """Every promised byte came, but the container's own sizes say that its end is missing."""

    code = "source_incomplete"


class SourceTooLargeError(JobError):
    """The file is larger than `MAX_FILE_BYTES`."""

    code = "source_too_large"
    kind = Kind.PERMANENT


# --- the bucket ---


class StoreUnavailableError(JobError):
    """Connection refused, time-out, 5xx or SlowDown from the bucket's endpoint."""

    code = "store_unavailable"


class StoreDeniedError(JobError):
    """403 from the bucket: wrong keys or missing rights. Not this recording's fault, so the try is not counted."""

    code = "store_denied"
    burns_attempt = False


class BucketMissingError(JobError):
    """The bucket does not exist at this endpoint. Not this recording's fault, so the try is not counted."""

    code = "bucket_missing"
    burns_attempt = False


class StoreChecksumError(JobError):
    """The store's checksum of what it received differs from ours; nothing was archived."""

    code = "store_checksum_mismatch"


class ObjectConflictError(JobError):
    """Another object with other bytes already lies under the key; it was left untouched."""

    code = "object_conflict"
    kind = Kind.PERMANENT


class KeyTakenError(ReceiverError):
    """An object already lies under the key; whether it is ours is for the caller to find out."""
