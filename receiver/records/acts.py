"""What is on record of recordings: who did what, when, and how the log that says so ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


class Action(StrEnum):
    """What this release writes into the log; other releases and parts may write more, so nothing relies on the list.

    The value is kept in the log, so it never changes; `ABOUT` says what it means.
    """

    URL_ISSUED = "url_issued"
    PLAYED = "played"
    DOWNLOADED = "downloaded"
    EXPORTED = "exported"
    BODY_SHOWN = "body_shown"
    RETRIED = "retried"
    CANCELLED = "cancelled"
    HELD = "held"
    RELEASED = "released"
    REPLAYED = "replayed"
    REOPENED = "reopened"
    RUN_FAILED = "run_failed"
    RUN_LOST = "run_lost"
    RECONCILIATION_BEGAN = "reconciliation_began"
    BACKFILL_BEGAN = "backfill_began"
    API_PAUSE_LIFTED = "api_pause_lifted"
    SOURCE_DELETION_BEGAN = "source_deletion_began"
    SOURCE_DELETED = "source_deleted"
    SOURCE_DELETION_FAILED = "source_deletion_failed"
    SOURCE_GONE = "source_gone"
    VERIFIED = "verified"
    FOUND_DAMAGED = "found_damaged"
    FOUND_MISSING = "found_missing"
    FOUND_UNREADABLE = "found_unreadable"
    REPAIRED = "repaired"
    REINDEXED = "reindexed"
    EVENT_REPLAYED = "event_replayed"
    RETENTION_BEGAN = "retention_began"
    DUE = "due"
    DUE_LIFTED = "due_lifted"
    OBJECT_LOCKED = "object_locked"
    OBJECT_UNLOCKED = "object_unlocked"
    OBJECT_RETAINED = "object_retained"
    ERASURE_BEGAN = "erasure_began"
    ERASED = "erased"
    ERASURE_REFUSED = "erasure_refused"
    ERASURE_HELD = "erasure_held"
    PERSON_ERASED = "person_erased"
    PERSON_SHOWN = "person_shown"


FIRST_SEEN, ARCHIVED = "first_seen", "archived"
"""Events of a history that the recording's row tells, so that the log need not."""
ABOUT = {
    FIRST_SEEN: "first seen",
    ARCHIVED: "archived and proven",
    Action.URL_ISSUED: "a URL of the file was given out",
    Action.PLAYED: "played on the page",
    Action.DOWNLOADED: "downloaded by a command",
    Action.EXPORTED: "exported",
    Action.BODY_SHOWN: "the body of a delivery that named it was shown",
    Action.RETRIED: "tried anew on an operator's word",
    Action.CANCELLED: "taken out of work",
    Action.HELD: "put on hold",
    Action.RELEASED: "released from hold",
    Action.REPLAYED: "a delivery that named it was taken in again",
    Action.REOPENED: "taken up again, since it was named again",
    Action.RUN_FAILED: "a run failed",
    Action.RUN_LOST: "a run ended without a word",
    Action.RECONCILIATION_BEGAN: "a reconciliation was begun by a command",
    Action.BACKFILL_BEGAN: "a backfill was begun by a command",
    Action.API_PAUSE_LIFTED: "the pause of the Meetings API was lifted",
    Action.SOURCE_DELETION_BEGAN: "its deletion at the platform was about to be asked for",
    Action.SOURCE_DELETED: "deleted at the platform",
    Action.SOURCE_DELETION_FAILED: "its deletion at the platform failed",
    Action.SOURCE_GONE: "the platform has nothing left of its meeting",
    Action.VERIFIED: "read again, whole, and intact",
    Action.FOUND_DAMAGED: "read again and found damaged",
    Action.FOUND_MISSING: "found missing in the bucket",
    Action.FOUND_UNREADABLE: "found unreadable, again and again",
    Action.REPAIRED: "repaired and proven",
    Action.REINDEXED: "made again from its manifest",
    Action.EVENT_REPLAYED: "an event of it was sent again",
    Action.RETENTION_BEGAN: "a run of retention was begun by a command",
    Action.DUE: "due to be erased, by retention",
    Action.DUE_LIFTED: "not due to be erased any more",
    Action.OBJECT_LOCKED: "the bucket locked its object, since it is on hold",
    Action.OBJECT_UNLOCKED: "the bucket unlocked its object, since it is on hold no more",
    Action.OBJECT_RETAINED: "the bucket retains its object until it is due",
    Action.ERASURE_BEGAN: "its erasure began: the index names nobody of it any more",
    Action.ERASED: "erased: each version of its files was deleted, and is gone",
    Action.ERASURE_REFUSED: "its files are not all deleted",
    Action.ERASURE_HELD: "its erasure was asked for, and refused since it is on hold",
    Action.PERSON_ERASED: "a person was erased",
    Action.PERSON_SHOWN: "all that is kept of a person was shown",
}
"""The one table of actions: what each means of a recording."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`token:<name>` with its role, `cli:<user of the operating system>`, or a schedule or part of the service."""

    name: str
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAct:
    """An entry of the log as it is read; `id` is its place, None while it is not sealed. `details` are JSON."""

    id: int | None
    at: datetime
    actor: str
    action: str
    subject: str
    role: str | None = None
    reason: str | None = None
    outcome: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The newest entry of the log at some time, by its place and its hash, which vouches for all before it."""

    entry_id: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What reading the whole log found: `broken_at` is the place of the first fault, None where there is none."""

    entries: int
    unsealed: int
    head: ChainHead | None
    broken_at: int | None = None
    fault: str | None = None
