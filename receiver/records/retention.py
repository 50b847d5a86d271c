"""What retention does, and did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from receiver.records.kinds import RecordingId
    from receiver.records.recordings import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPeriod:
    """How long recordings are kept: `days` since each was created; erased at least `grace` after it was marked.

    What the platform's listing did not confirm is kept so long since it was first seen, too: a delivery's word for when
    it was created, which anybody may have forged, must not shorten its life.
    """

    days: timedelta
    grace: timedelta

    def due_at(self, recording: Recording) -> datetime | None:
        """Return when an archived recording becomes due; None where nothing says when it was created."""
        created_at = recording.vendor.created_at
        if created_at is None:
            return None
        return (created_at if recording.listed_at else max(created_at, recording.first_seen_at)) + self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Ripe:
    """A recording that retention may erase."""

    id: RecordingId
    created_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueGroup:
    """Recordings that may be erased from the same time on."""

    erased_from: datetime
    recordings: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What was due, and what became of it; in a dry run what would. `due` is `held`, `erased` and `kept` together.

    `kept` are in their grace, or could not be erased. `groups` say when what is not held is erased.
    """

    due: int = 0
    held: int = 0
    erased: int = 0
    kept: int = 0
    due_bytes: int = 0
    erased_bytes: int = 0
    groups: tuple[DueGroup, ...] = ()
