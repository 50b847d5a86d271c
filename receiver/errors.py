"""Every way a job can end badly, each with the stable code that rows, metrics and operators see.

Each says what happened and what to do (its `remedy`, or its own words), and never a URL's query, a token or a key.
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


class WrongStateError(ReceiverError):
    """The recording's state does not allow the asked change; the message names both."""


class KeyTakenError(ReceiverError):
    """An object already lies under the key; whether it is ours is for the caller to find out."""


class InvalidQueryError(ReceiverError):
    """A listing's filter, sort, limit or cursor is not understood; the message names the parameter."""


class Kind(StrEnum):
    """What another try can do: perhaps help, never help, or nothing since the API no longer lists the recording."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    MISSING = "missing"


class JobError(ReceiverError):
    """A run's failure: can another help (`kind`), does it count (`burns_attempt`), and what wait was asked for."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.TRANSIENT
    burns_attempt: ClassVar[bool] = True
    remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return "; ".join(filter(None, (super().__str__(), self.remedy)))


class InternalError(JobError):
    """A defect of this service met in a run; the log has the traceback."""


class WorkerCrashedError(JobError):
    """Runs of this recording ended without a word (kill, out of memory) as often as attempts allow."""

    code = "worker_crashed"
    kind = Kind.PERMANENT


# --- the Meetings API ---


class ApiUnavailableError(JobError):
    """Connection refused, time-out or 5xx."""

    code = "api_unavailable"


class ApiPausedError(JobError):
    """The API asks for a pause (429), or failed so often that it is left alone: not this recording's try."""

    code = "api_paused"
    burns_attempt = False


class ApiUnauthorizedError(JobError):
    """401, also after one new login."""

    code = "api_unauthorized"


class ApiForbiddenError(JobError):
    """403: the credentials may not list this meeting's recordings."""

    code = "api_forbidden"


class ApiLoginRefusedError(JobError):
    """`POST /session` was refused, or answered with another user than `API_USER_ID`."""

    code = "api_login_refused"


class ApiClockSkewError(JobError):
    """`POST /session` was refused with 422, and this host's clock is too far from the API's for any login."""

    code = "api_clock_skew"


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


class SourceError(JobError):
    """Something is wrong with the download from `origin` (scheme, host and port)."""

    origin: str | None = None

    def __str__(self) -> str:
        said = super().__str__()
        return f"{self.origin}: {said}" if self.origin and self.origin not in said else said


class SourceUrlForbiddenError(SourceError):
    """The URL's origin is not in `DOWNLOAD_HOSTS`, or its address is not public nor in `DOWNLOAD_NETWORKS`."""

    code = "source_url_forbidden"
    remedy = "where it is not the platform's storage, see who posted the delivery"
    kind = Kind.PERMANENT


class SourceDeniedError(SourceError):
    """403 with a URL that should be fresh."""

    code = "source_denied"
    remedy = "look at this host's clock, then retry; where it lasts, ask the vendor"


class SourceNotFoundError(SourceError):
    """404 or 410 at the download URL."""

    code = "source_not_found"
    remedy = "see whether the platform still has the file; if it has, ask the vendor, then retry"


class SourceUnavailableError(SourceError):
    """Connection refused or reset, 429, 5xx, or a status that no download has."""

    code = "source_unavailable"
    remedy = "it is tried again; where it lasts, look at the network and the firewall towards that host"


class SourceStalledError(SourceError):
    """No byte came for the progress window, or the file's deadline passed."""

    code = "source_stalled"
    remedy = "look at the network; lower RECEIVER_CONCURRENCY, or raise RECEIVER_PROGRESS_TIMEOUT_S"


class SourceTruncatedError(SourceError):
    """Fewer bytes came than the answer promised, again after resuming."""

    code = "source_truncated"
    remedy = "the next run starts anew; where it lasts, look for a proxy on the way that cuts long answers"


class SourceEmptyError(SourceError):
    """The file has no bytes."""

    code = "source_empty"
    remedy = "play it at the platform; if it is empty there, cancel the recording"


class SourceNotMediaError(SourceError):
    """The body is text, HTML, XML or JSON: an error page, not a recording."""

    code = "source_not_media"
    remedy = "play it at the platform, and look for a proxy that answers in the storage's place"


class SourceLengthMismatchError(SourceError):
    """The answer's own lengths contradict each other (Content-Length, Content-Range, bytes that came)."""

    code = "source_length_mismatch"
    remedy = "look for a proxy that changes answers; where it lasts, ask the vendor"


class SourceLengthUnknownError(SourceError):
    """The answer promises no length, so a cut file could not be told from a whole one."""

    code = "source_length_unknown"
    remedy = "look for a proxy that drops Content-Length; where it lasts, ask the vendor"


class SourceChangedError(SourceError):
    """The file's ETag or bytes changed while it was being read; the next run starts anew."""

    code = "source_changed"
    remedy = "the next run starts anew; where it lasts, see what writes to the file at the platform"


class SourceIncompleteError(SourceError):
    """Every promised byte came, but the container's own sizes say that its end is missing."""

    code = "source_incomplete"
    remedy = "play it at the platform; where it is cut there too, cancel the recording"


class SourceTooLargeError(SourceError):
    """The file is larger than `MAX_FILE_BYTES`."""

    code = "source_too_large"
    remedy = "raise RECEIVER_MAX_FILE_BYTES, start the service again and retry; or cancel the recording"
    kind = Kind.PERMANENT


# --- the bucket ---


class StoreUnavailableError(JobError):
    """Connection refused, time-out, 5xx or SlowDown from the bucket's endpoint."""

    code = "store_unavailable"
    remedy = "it is tried again; where it lasts, look at RECEIVER_S3_ENDPOINT_URL, the network and the store"


class StoreRefusedError(JobError):
    """A 4xx that no other class names, or 501: the store would not take the same request another time."""

    code = "store_refused"
    remedy = "correct what the store's code names, often RECEIVER_S3_STORAGE_CLASS, _SSE or _KMS_KEY_ID, then retry"
    kind = Kind.PERMANENT


class StoreDeniedError(JobError):
    """403 from the bucket: wrong keys or missing rights. Not this recording's fault, so the try is not counted."""

    code = "store_denied"
    remedy = (
        "mend the credentials or their rights in the bucket (TooSkewed: this host's clock), and all goes on by itself"
    )
    burns_attempt = False


class BucketMissingError(JobError):
    """The bucket does not exist at this endpoint. Not this recording's fault, so the try is not counted."""

    code = "bucket_missing"
    remedy = "correct RECEIVER_S3_BUCKET, RECEIVER_S3_REGION or RECEIVER_S3_ENDPOINT_URL and start the service again"
    burns_attempt = False


class StoreChecksumError(JobError):
    """The store's checksum of what it received differs from ours; nothing was archived."""

    code = "store_checksum_mismatch"
    remedy = "the next run starts anew; where it lasts, the store lacks CRC64NVME or a proxy changes bodies"


class ObjectConflictError(JobError):
    """Other bytes came to lie under the key while the file was on its way; they were left untouched."""

    code = "object_conflict"
    remedy = "the next run stores the file beside it; where it lasts, see what else writes there"
