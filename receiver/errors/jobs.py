"""Every end of a job, by the API, a source or the bucket: its code, and the remedy that operators read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from receiver.errors.base import JobError, Kind, Side

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answered(NamedTuple):
    """What the Meetings API answered: the status, and its own words where it gave any."""

    status: int
    words: str = ""

    def __str__(self) -> str:
        return f"(status {self.status}: {self.words})" if self.words else f"(status {self.status})"


class ApiError(JobError):
    """Something is wrong with the Meetings API, or with us in its eyes; `answered` where an answer said so."""

    def __init__(
        self,
        happened: str,
        remedy: str | None = None,
        *,
        answered: Answered | None = None,
        setting: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(happened, remedy, setting=setting, retry_after_s=retry_after_s)
        self.answered = answered


class ApiUnavailableError(ApiError):
    """Connection refused, time-out or 5xx."""

    code = "api_unavailable"
    side: Side | None = Side.API
    remedy = "where that lasts, ask its operator and look at RECEIVER_API_URL"


class ApiPausedError(ApiError):
    """The API asks for a pause (429), or failed so often that it is left alone: not this recording's try."""

    code = "api_paused"
    side: Side | None = Side.API
    remedy = "where that lasts, ask its operator and look at RECEIVER_API_URL"
    burns_attempt = False


class ApiUnauthorizedError(ApiError):
    """401, also after one new login."""

    code = "api_unauthorized"
    side: Side | None = Side.API
    needs_hand = True
    remedy = (
        "put valid ones there and, unless they are in a file named by …_FILE, which is read again by itself, start the "
        "service again"
    )


class ApiForbiddenError(ApiError):
    """403: the credentials may not list this meeting's recordings."""

    code = "api_forbidden"
    remedy = "use the meeting's host or RECEIVER_API_ADMIN_KEY"


class ApiLoginRefusedError(ApiError):
    """`POST /session` was refused, or answered with another user than `API_USER_ID`."""

    code = "api_login_refused"
    side: Side | None = Side.API
    needs_hand = True
    remedy = (
        "look at RECEIVER_API_APP_ID, RECEIVER_API_AUTH_KEY, RECEIVER_API_AUTH_SECRET, RECEIVER_API_USER_LOGIN or "
        "_EMAIL and _PASSWORD"
    )


class ApiClockSkewError(ApiError):
    """`POST /session` was refused with 422, and this host's clock is too far from the API's for any login."""

    code = "api_clock_skew"
    side: Side | None = Side.API
    needs_hand = True
    remedy = "set this host's clock, and keep it with NTP"


class ApiBadAnswerError(ApiError):
    """The answer is not the JSON that the page promises."""

    code = "api_bad_answer"
    side: Side | None = Side.API
    remedy = "look at RECEIVER_API_URL"


class ApiRefusedError(ApiError):
    """400 or 422: the API did not understand the request."""

    code = "api_refused"
    remedy = "look at RECEIVER_API_URL, and report it where that is right"


class RecordingNotListedYetError(ApiError):
    """The listing answered without this recording; it may come late, so the try is not counted."""

    code = "recording_not_listed"
    remedy = "it is asked for again, and counts as missing once RECEIVER_LISTING_GRACE_S is over"
    burns_attempt = False


class RecordingGoneError(ApiError):
    """The meeting is unknown to the API, or the recording was not listed within `LISTING_GRACE_S`."""

    code = "recording_gone"
    remedy = "look for it at the platform, and retry it once it is listed there"
    kind = Kind.MISSING


class NoFreshUrlError(JobError):
    """No API credentials are set and the payload's URL has expired or was never given."""

    code = "no_fresh_url"
    remedy = "set API credentials (RECEIVER_API_ADMIN_KEY, RECEIVER_API_TOKEN or a user session) and retry"
    kind = Kind.PERMANENT


class SourceError(JobError):
    """Something is wrong with the download from `origin` (scheme, host and port).

    `refused` is an origin that was not connected to: after a redirect, another than `origin`.
    """

    origin: str | None = None
    host: str | None = None
    """Whom the download URL asked, as the recording's row has it: after a redirect, another than `origin`."""
    refused: str | None = None

    def __str__(self) -> str:
        said = super().__str__()
        return f"{self.origin}: {said}" if self.origin and self.origin not in said else said


class SourceUrlForbiddenError(SourceError):
    """The URL's origin is not in `DOWNLOAD_HOSTS`, or its address is not public nor in `DOWNLOAD_NETWORKS`."""

    code = "source_url_forbidden"
    remedy = "where it is not the platform's storage, see who posted the delivery"
    kind = Kind.PERMANENT

    def __init__(
        self, happened: str, remedy: str | None = None, *, refused: str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(happened, remedy, setting=setting)
        self.refused = refused


class DownloadHostsUnsetError(SourceError):
    """A POST named a URL, and neither API credentials nor `DOWNLOAD_HOSTS` say whether its host is the platform's."""

    code = "download_hosts_unset"
    remedy = (
        "if that is the platform's storage, name it in RECEIVER_DOWNLOAD_HOSTS and start the service again; if not, "
        "see who posted the delivery"
    )
    burns_attempt = False

    def __init__(self, happened: str, remedy: str | None = None, *, refused: str | None = None) -> None:
        super().__init__(happened, remedy, setting="RECEIVER_DOWNLOAD_HOSTS", retry_after_s=300)
        self.refused = refused


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
    side: Side | None = Side.SOURCE
    remedy = "where it lasts, look at the network and the firewall towards that host"


class SourceStalledError(SourceError):
    """No byte came for the progress window, or the file's deadline passed."""

    code = "source_stalled"
    side: Side | None = Side.SOURCE
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
    remedy = "it is fetched once more; where the same bytes come again, they are kept and marked incomplete"

    def __init__(self, happened: str, remedy: str | None = None, *, sha256: str | None = None) -> None:
        super().__init__(happened, remedy)
        self.sha256 = sha256
        """Of the bytes that came, in hex."""


class SourceTooLargeError(SourceError):
    """The file is larger than `MAX_FILE_BYTES`."""

    code = "source_too_large"
    remedy = "raise RECEIVER_MAX_FILE_BYTES, start the service again and retry; or cancel the recording"
    kind = Kind.PERMANENT


class StoreError(JobError):
    """Something is wrong with the bucket; `operation` is S3's name of what was asked, where it answered."""

    def __init__(
        self,
        happened: str,
        remedy: str | None = None,
        *,
        operation: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(happened, remedy, retry_after_s=retry_after_s)
        self.operation = operation


class StoreUnavailableError(StoreError):
    """Connection refused, time-out, 5xx or SlowDown from the bucket's endpoint."""

    code = "store_unavailable"
    side: Side | None = Side.STORE
    remedy = "where it lasts, look at RECEIVER_S3_ENDPOINT_URL, the network and the store"


class ObjectGoneError(StoreUnavailableError):
    """The store answered 404 for an object or version that was to be read: where a run meets it, it tries anew."""


class StoreRefusedError(StoreError):
    """A 4xx that no other class names, or 501: the store would not take the same request another time."""

    code = "store_refused"
    remedy = (
        "mend what the store's code names, or use a store that has the operation (see `receiver check`), then retry"
    )
    kind = Kind.PERMANENT


class StoreDeniedError(StoreError):
    """403 from the bucket: wrong keys or missing rights."""

    code = "store_denied"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = (
        "mend the credentials or their rights in the bucket (TooSkewed: this host's clock); if they are in the "
        "service's environment, start it again"
    )


class BucketMissingError(StoreError):
    """The bucket does not exist at this endpoint."""

    code = "bucket_missing"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = "correct RECEIVER_S3_BUCKET, RECEIVER_S3_REGION or RECEIVER_S3_ENDPOINT_URL and start the service again"


class StoreChecksumError(StoreError):
    """The store's checksum of what it received differs from ours; nothing was archived."""

    code = "store_checksum_mismatch"
    remedy = (
        "the next run starts anew; where it lasts, a proxy changes bodies, or the store is damaged: ask its operator"
    )


class ProofTooWeakError(StoreError):
    """The bucket proves less than `S3_MIN_PROOF` asks for; nothing was stored."""

    code = "proof_too_weak"
    side: Side | None = Side.STORE
    needs_hand = True
    remedy = (
        "use a store that verifies more, or lower RECEIVER_S3_MIN_PROOF (`receiver check` says what this store does) "
        "and start the service again"
    )

    def __init__(self, happened: str, remedy: str | None = None) -> None:
        super().__init__(happened, remedy)
        self.setting = "RECEIVER_S3_MIN_PROOF"


class ObjectConflictError(StoreError):
    """Other bytes came to lie under the key while the file was on its way; they were left untouched."""

    code = "object_conflict"
    remedy = "the next run stores the file beside it; where it lasts, see what else writes there"


class ManifestConflictError(StoreError):
    """Under the manifest's key lies what names another recording, or is no manifest; it was left untouched."""

    code = "manifest_conflict"
    remedy = (
        "see whose it is, and who posted the delivery that named this one; then retry with another "
        "RECEIVER_KEY_TEMPLATE or RECEIVER_S3_PREFIX, or cancel the recording"
    )
    kind = Kind.PERMANENT


def side_of(code: str) -> Side | None:
    """Return the side whose outage an error code may tell of."""
    return _SIDES.get(code)


def _coded(base: type[JobError]) -> Iterator[tuple[str, Side | None]]:
    for error in base.__subclasses__():
        yield error.code, error.side
        yield from _coded(error)


_SIDES = dict(_coded(JobError))
