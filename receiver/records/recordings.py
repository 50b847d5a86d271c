"""A recording: what the vendor says of it, whether that is another file, its row, and a run's claim on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.progress import Transfer
    from receiver.records.kinds import DeliveryId, Fixity, MeetingId, RecordingId, State, UrlOrigin, Via
    from receiver.records.objects import NotedObject, StoredFile, UnfinishedUpload

T = TypeVar("T")
_SAME_TIME = timedelta(seconds=1)


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
class Attendee:
    """Somebody who was invited to a meeting: a user of the platform, or an e-mail address, or both."""

    id: int | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorFacts:
    """What the vendor says of a recording, in the webhook and in its listings: all but ids and URL, and all advisory.

    `vendor_size` has no documented unit. Of a row, `created_at` is when the recording was first heard of where the
    vendor did not say.
    """

    participant_ids: tuple[int, ...] = ()
    participants_count: int | None = None
    file_uid: str | None = None
    duration_s: float | None = None
    vendor_size: float | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class NamesFile(Protocol):
    """Whatever tells one file of a recording from the next."""

    @property
    def file_uid(self) -> str | None: ...
    @property
    def updated_at(self) -> datetime | None: ...


def is_another_file(one: NamesFile, other: NamesFile) -> bool:
    """Tell whether the two name different files of a recording; what either side does not know says nothing.

    Times less than a second apart are the same: the webhook writes whole seconds, and a listing need not.
    """
    if None not in (one.file_uid, other.file_uid) and one.file_uid != other.file_uid:
        return True
    if one.updated_at is None or other.updated_at is None:
        return False
    return abs(one.updated_at - other.updated_at) >= _SAME_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """What a source said about one recording."""

    id: RecordingId
    meeting: Meeting
    host: Host
    vendor: VendorFacts
    attendees: tuple[Attendee, ...] | None = None
    """Of the meeting; deliveries alone name them, and None is of a source that says nothing of them."""
    payload_url: str | None = None
    """The download URL of the POST; kept only where no API credentials are set, and dropped once archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last run did not archive the recording.

    `origin` is one that was not connected to, `setting` the one that is wrong or in the way,
    `cut_sha256` that of a file whose end was missing.
    """

    code: str
    message: str
    at: datetime
    origin: str | None = None
    setting: str | None = None
    cut_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One catalogue row, as operators see it (`archive`, `transfer`, `error` and such as the state allows)."""

    id: RecordingId
    meeting: Meeting
    host: Host
    vendor: VendorFacts
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
    listed_at: datetime | None = None
    """When the platform's listing confirmed its facts; None: they are what a delivery or a manifest said."""
    attendees: tuple[Attendee, ...] = ()
    verified_at: datetime | None = None
    """When all bytes of the archived object were last read again and found intact; None: not since it was archived."""
    fixity: Fixity | None = None
    """How they were found when they were last read again."""
    object_locked: bool = False
    """Whether the bucket itself was told to keep the object, since it is on hold."""
    retained_until: datetime | None = None
    """Until when the bucket itself was told to keep the object, since it is not due before."""
    due_since: datetime | None = None
    """When retention marked it as due to be erased."""
    expires_at: datetime | None = None
    """When it becomes due; None where nothing expires, or nothing of it is archived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run's right to work on a recording: every write of the run is conditional on `fence`.

    `attempt` counts this run (1 for the first), but none that crashed; `crashes` those in a row, of which the last was
    found by this claim where it `took_over`. `key` is set once an earlier run chose the object's key, `noted` once
    one was about to store it, `upload` while a multipart upload of an earlier run may still be open to go on with, and
    `cut_sha256` where the file came cut before: the SHA-256 of those bytes.
    `delivery_id` is the newest delivery that named the recording, `traceparent` what it said of its trace.
    `is_listed`: the API has confirmed the recording's facts, which deliveries cannot change any more.
    """

    recording: Recording
    fence: int
    attempt: int
    crashes: int
    took_over: bool
    payload_url: str | None
    source_host: str | None
    key: str | None
    noted: NotedObject | None
    upload: UnfinishedUpload | None
    cut_sha256: str | None = None
    is_listed: bool = False
    delivery_id: DeliveryId | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a keyset listing; `next_cursor` is opaque and None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None
