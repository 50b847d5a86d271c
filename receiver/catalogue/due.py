"""Which rows have work due, in an order that lets no meeting starve the others, and no download host either."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from receiver.lifecycle import CLAIMABLE
from receiver.records import RecordingId, State
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class Due(NamedTuple):
    """A recording whose time has come: its rank in its meeting, from 1, and the host that its file is said to be at."""

    id: RecordingId
    rank: int
    host: str | None


def due_recordings(
    now: datetime, *, beside: Sequence[RecordingId] | None = None, per_host: int | None = None
) -> sa.Select[tuple[str, int, str | None]]:
    """Select rows whose time has come, best first: every meeting's first file before any one's second.

    So a meeting with 500 files takes turns with all others. `beside` looks only at the meetings of these recordings,
    whatever the backlog of others is. With `per_host`, hosts take turns within a rank, and no more of any is selected.
    """
    near = sa.select(recordings.c.meeting_id).where(recordings.c.id.in_(beside or ()))
    rank = sa.func.row_number().over(
        partition_by=recordings.c.meeting_id, order_by=(recordings.c.next_attempt_at, recordings.c.id)
    )
    due = (
        sa.select(recordings.c.id, recordings.c.source_host, recordings.c.next_attempt_at, rank.label("rank"))
        .where(
            recordings.c.state.in_(CLAIMABLE),
            sa.or_(recordings.c.next_attempt_at.is_(None), recordings.c.next_attempt_at <= now),
            recordings.c.meeting_id.in_(near) if beside is not None else sa.true(),
        )
        .subquery()
    )
    order = (due.c.rank, due.c.next_attempt_at, due.c.id)
    if per_host is None:
        return sa.select(due.c.id, due.c.rank, due.c.source_host).order_by(*order)
    turn = sa.func.row_number().over(partition_by=due.c.source_host, order_by=order)
    turns = sa.select(due, turn.label("turn")).subquery()
    return (
        sa.select(turns.c.id, turns.c.rank, turns.c.source_host)
        .where(turns.c.turn <= per_host)
        .order_by(turns.c.rank, turns.c.turn, turns.c.id)
    )


def read_due(tx: sa.Connection, query: sa.Select[tuple[str, int, str | None]]) -> list[Due]:
    """Return what a query of `due_recordings` selects."""
    return [Due(RecordingId(row.id), row.rank, row.source_host) for row in tx.execute(query)]


class Backlog(NamedTuple):
    """How many recordings wait though their time has come, and since when the first of them.

    `oldest_seen_at` is when the recording was first heard of that is to be archived, due or not, the longest.
    """

    due: int
    oldest_due_at: datetime | None
    oldest_seen_at: datetime | None


def read_backlog(tx: sa.Connection, now: datetime) -> Backlog:
    """Look at recordings with work that no run has; one without a time is due since it was first seen."""
    c = recordings.c
    at = c.next_attempt_at.type
    since = sa.func.coalesce(c.next_attempt_at, c.first_seen_at, type_=at)
    is_due = sa.and_(c.state != State.ARCHIVING, sa.or_(c.next_attempt_at.is_(None), c.next_attempt_at <= now))
    found = sa.select(
        sa.func.count(sa.case((is_due, 1))),
        sa.func.min(sa.case((is_due, since)), type_=at),
        sa.func.min(c.first_seen_at, type_=at),
    )
    return Backlog(*tx.execute(found.where(c.state.in_(CLAIMABLE))).one())
