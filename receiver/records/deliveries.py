"""A delivery: what its body brings, the answer to it, and its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import DeliveryId, DeliveryStatus, RecordingId, State
    from receiver.records.recordings import RecordingFacts


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
