"""What a download can end a job with: its code, and the remedy that operators read."""

from __future__ import annotations

from receiver.errors.base import JobError, Kind, Side


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
