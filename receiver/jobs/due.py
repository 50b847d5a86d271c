"""Which rows have work due, in an order that lets no meeting starve the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.lifecycle import CLAIMABLE
from receiver.tables import recordings

if TYPE_CHECKING:
    from datetime import datetime

ENTRYPOINT = "archive"
"""pgqueuer's name for the one kind of job there is."""

MAX_RANK = 10_000


def due_recordings(now: datetime) -> sa.Select[tuple[str, int]]:
    """Select (id, rank) of rows whose time has come, best first: every meeting's first file before any one's second.

    `rank` counts from 1 within the meeting, so a meeting with 500 files takes turns with all others.
    """
    rank = sa.func.row_number().over(
        partition_by=recordings.c.meeting_id, order_by=(recordings.c.next_attempt_at, recordings.c.id)
    )
    due = (
        sa.select(recordings.c.id, recordings.c.next_attempt_at, rank.label("rank"))
        .where(
            recordings.c.state.in_(CLAIMABLE),
            sa.or_(recordings.c.next_attempt_at.is_(None), recordings.c.next_attempt_at <= now),
        )
        .subquery()
    )
    return sa.select(due.c.id, due.c.rank).order_by(due.c.rank, due.c.next_attempt_at, due.c.id)


def priority(rank: int) -> int:
    """Return the engine's priority (higher goes first) of a recording with this rank in its meeting."""
    return -min(rank, MAX_RANK)
