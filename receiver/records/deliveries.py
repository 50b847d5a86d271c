"""A delivery: what its body brings, the answer to it, and its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import DeliveryId, DeliveryStatus, MeetingId, RecordingId, State
    from receiver.records.recordings import RecordingFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A record of a delivery that could not be used; `errors` name field, problem and remedy."""

    index: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a delivery's body brings: good recordings, each once, and the records that were not taken.

    Of those the first are in `rejected`, and what it says of the others; `rejected_count` is how many there are. `ask`
    are meetings that were named without a record, or with one that was not taken: the API may list what it stands for.
    """

    recordings: tuple[RecordingFacts, ...]
    rejected: tuple[RejectedRecord, ...]
    rejected_count: int = 0
    ask: tuple[MeetingId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a delivery. `duplicate`: the very same body had been stored before."""

    delivery_id: DeliveryId
    recordings: tuple[tuple[RecordingId, State], ...]
    rejected: tuple[RejectedRecord, ...]
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of taking a stored delivery in again; `note` says what it cannot bring back."""

    accepted: Accepted
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One POST as it was stored. `body` is the raw body with URL signatures blanked, never decoded.

    In a listing `recording_ids` and `rejected` are the first; the counts are of all. `reason` says why nothing of it
    could be used.
    """

    id: DeliveryId
    received_at: datetime
    status: DeliveryStatus
    body_sha256: str
    body_bytes: int
    recording_ids: tuple[RecordingId, ...]
    recordings_count: int
    rejected: tuple[RejectedRecord, ...]
    rejected_count: int
    reason: str | None = None
    body: bytes | None = None
