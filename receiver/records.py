"""What the parts hand to each other: frozen records, enums and id types. No behaviour, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, NewType, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.progress import Transfer

RecordingId = NewType("RecordingId", str)
MeetingId = NewType("MeetingId", str)
DeliveryId = NewType("DeliveryId", str)

T = TypeVar("T")


class State(StrEnum):
    """Where a recording stands. `receiver.lifecycle` holds the only table of allowed changes."""

    PENDING = "pending"
    ARCHIVING = "archiving"
    WAITING = "waiting"
    ARCHIVED = "archived"
    FAILED = "failed"
    MISSING = "missing"
    CANCELLED = "cancelled"
    ERASED = "erased"


class Via(StrEnum):
    """How a recording was first seen."""

    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    BACKFILL = "backfill"
    REINDEX = "reindex"


class UrlOrigin(StrEnum):
    """Who named a download URL: the API on our question, or the unauthenticated POST."""

    API = "api"
    PAYLOAD = "payload"


class DeliveryStatus(StrEnum):
    """`partial`: some records of the delivery were rejected; `rejected`: nothing of it could be used."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A meeting as a delivery or listing described it; all but the id may be unknown."""

    id: MeetingId
    name: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The user who created the meeting. `id` is the platform's numeric user id."""

    id: int | None = None
    name: str | None = None
    login: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """What a source said about one recording. `vendor_size` (unit undocumented) and `duration_s` are advisory."""

    id: RecordingId
    meeting: Meeting
    host: Host = Host()
    participant_ids: tuple[int, ...] = ()
    participants_count: int | None = None
    file_uid: str | None = None
    duration_s: float | None = None
    vendor_size: float | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    payload_url: str | None = None
    """The download URL of the POST; kept only where no API credentials are set, and dropped once archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshUrl:
    """A download URL believed good until `expires_at` (read from the URL, or one hour after the fetch)."""

    url: str
    expires_at: datetime
    origin: UrlOrigin

    def __repr__(self) -> str:
        """Leave the URL out: its query is a credential."""
        return f"FreshUrl(origin={self.origin.value}, expires_at={self.expires_at.isoformat()})"


@dataclass(frozen=True, slots=True)
class Origin:
    """An allowed download origin. A host of `*.example.com` stands for every name below example.com."""

    scheme: str
    host: str
    port: int

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a URL's scheme, lower-case host and effective port belong to this origin."""
        if (scheme, port) != (self.scheme, self.port):
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecording:
    """One entry of the API's recordings listing for a meeting."""

    id: RecordingId
    meeting_id: MeetingId
    url: FreshUrl
    file_uid: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What the store says of an object. `checksum` is `crc64nvme:<base64>` over the whole object, or None."""

    key: str
    size_bytes: int
    etag: str
    checksum: str | None
    content_type: str | None
    version_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A proven object: length, own SHA-256 (hex) and the store's checksum all agreed."""

    bucket: str
    key: str
    version_id: str | None
    size_bytes: int
    sha256: str
    checksum: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A multipart upload that a run has begun; kept on the row so that the next run can go on with it or end it.

    `begun_at` is known of an upload that the store listed, by the store's clock.
    """

    key: str
    upload_id: str
    begun_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part as the store confirmed it. `number` counts from 1; `checksum` is the part's `crc64nvme:<base64>`."""

    number: int
    etag: str
    size_bytes: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPart:
    """A part as the store lists it: not every store tells its checksum, so none is read."""

    number: int
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """What a later run needs to go on with an upload: how the file was cut, which file it was, which parts are sent.

    Without `source_etag` (a strong one) nothing can tell whether the source is still that file. `parts` are in order.
    """

    upload: OpenUpload
    part_size_bytes: int
    source_etag: str | None
    source_size_bytes: int
    parts: tuple[UploadedPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last run did not archive the recording."""

    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One catalogue row, as operators see it (`archive`, `transfer`, `error` and such as the state allows)."""

    id: RecordingId
    meeting: Meeting
    host: Host
    participant_ids: tuple[int, ...]
    participants_count: int | None
    file_uid: str | None
    duration_s: float | None
    vendor_size: float | None
    created_at: datetime | None
    updated_at: datetime | None
    state: State
    attempts: int
    next_attempt_at: datetime | None
    error: Failure | None
    archive: StoredFile | None
    archived_at: datetime | None
    transfer: Transfer | None
    hold: bool
    url_origin: UrlOrigin | None
    first_seen_via: Via
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run's right to work on a recording: every write of the run is conditional on `fence`.

    `attempt` counts this run (1 for the first). `key` is set once an earlier run chose the object's key, and
    `upload` while a multipart upload of an earlier run may still be open to go on with.
    """

    recording: Recording
    fence: int
    attempt: int
    payload_url: str | None
    key: str | None
    upload: UnfinishedUpload | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A record of a delivery that could not be used; `errors` name field, problem and remedy."""

    index: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a delivery's body brings: good recordings, each once, and the records that could not be used."""

    recordings: tuple[RecordingFacts, ...]
    rejected: tuple[RejectedRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a delivery. `duplicate`: the very same body had been stored before."""

    delivery_id: DeliveryId
    recordings: tuple[tuple[RecordingId, State], ...]
    rejected: tuple[RejectedRecord, ...]
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST as it was stored. `body` is the raw body with URL signatures blanked, never decoded."""

    id: DeliveryId
    received_at: datetime
    status: DeliveryStatus
    body_sha256: str
    body_bytes: int
    recording_ids: tuple[RecordingId, ...]
    rejected: tuple[RejectedRecord, ...]
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a keyset listing; `next_cursor` is opaque and None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None
