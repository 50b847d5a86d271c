"""Events for other programs, and what people are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import RecordingId


class EventType(StrEnum):
    """CloudEvents' `type` of an event about a recording."""

    ARCHIVED = "recording.archived"
    FAILED = "recording.failed"
    MISSING = "recording.missing"
    DAMAGED = "recording.damaged"
    REPAIRED = "recording.repaired"
    ERASED = "recording.erased"


class EventState(StrEnum):
    """`failed`: given up, until somebody has it sent again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `webhook_id` is the same at every attempt; `data` is the recording as it was at `at`.

    `error` is of the last attempt, None where there was none or it went well. `delivery_id` is the newest delivery that
    named the recording, `traceparent` what it said of its trace; of events that are to be sent alone.
    """

    number: int
    webhook_id: str
    recording_id: RecordingId
    type: EventType
    at: datetime
    data: dict[str, Any]
    attempts: int
    next_attempt_at: datetime | None
    gives_up_at: datetime
    delivered_at: datetime | None
    error: str | None
    delivery_id: str | None = None
    traceparent: str | None = None

    @property
    def state(self) -> EventState:
        """Return how far it is."""
        if self.next_attempt_at is not None:
            return EventState.PENDING
        return EventState.FAILED if self.delivered_at is None else EventState.DELIVERED


class NoticeKind(StrEnum):
    """What a person is told of, once when it begins and once when it is over; a statement has no end."""

    STORE_AWAY = "store_away"
    API_AWAY = "api_away"
    SOURCE_AWAY = "source_away"
    DATABASE_AWAY = "database_away"
    NO_WORKER = "no_worker"
    SILENCE = "silence"
    REFUSED_POSTS = "refused_posts"
    RECORDINGS_DEAD = "recordings_dead"
    OBJECTS_DAMAGED = "objects_damaged"
    RECORDINGS_DUE = "recordings_due"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something is so now. `subject` tells several of a kind apart; `detail` is JSON, for the message."""

    kind: NoticeKind
    subject: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is or was so, and when people were told of it and of its end."""

    number: int
    kind: NoticeKind
    subject: str
    detail: dict[str, Any]
    began_at: datetime
    seen_at: datetime
    told_at: datetime | None = None
    ended_at: datetime | None = None
    end_told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a week brought, as the index has it. `meetings` have a recording; `missed` is what no webhook brought.

    `proven` of the `recordings` are archived, `lost` are listed by the platform no more, `failed` need a hand.
    """

    since: datetime
    until: datetime
    meetings: int
    recordings: int
    proven: int
    missed: int
    failed: int
    lost: int
    waiting: int
    archived: int
    archived_bytes: int
    verified: int
    """Objects that were read again, whole, and found intact."""
