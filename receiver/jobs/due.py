"""Which rows have work due, in an order that lets no meeting starve the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.lifecycle import CLAIMABLE
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.records import RecordingId

ENTRYPOINT = "archive"
"""pgqueuer's name for the one kind of job there is."""

MAX_RANK = 10_000


def due_recordings(now: datetime, *, beside: Sequence[RecordingId] | None = None) -> sa.Select[tuple[str, int]]:
    """Select (id, rank) of rows whose time has come, best first: every meeting's first file before any one's second.

    `rank` counts from 1 within the meeting, so a meeting with 500 files takes turns with all others. `beside` looks
    only at the meetings of these recordings, whatever the backlog of others is.
    """
    near = sa.select(recordings.c.meeting_id).where(recordings.c.id.in_(beside or ()))
    rank = sa.func.row_number().over(
        partition_by=recordings.c.meeting_id, order_by=(recordings.c.next_attempt_at, recordings.c.id)
    )
    due = (
        sa.select(recordings.c.id, recordings.c.next_attempt_at, rank.label("rank"))
        .where(
            recordings.c.state.in_(CLAIMABLE),
            sa.or_(recordings.c.next_attempt_at.is_(None), recordings.c.next_attempt_at <= now),
            recordings.c.meeting_id.in_(near) if beside is not None else sa.true(),
        )
        .subquery()
    )
    return sa.select(due.c.id, due.c.rank).order_by(due.c.rank, due.c.next_attempt_at, due.c.id)


def priority(rank: int) -> int:
    """Return the engine's priority (higher goes first) of a recording with this rank in its meeting."""
    return -min(rank, MAX_RANK)
