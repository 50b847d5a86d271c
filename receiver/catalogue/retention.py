"""Which recordings are due to be erased since they were kept long enough, and since when they are marked so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append, append_all
from receiver.records import Action, DueGroup, RecordingId, Ripe, State
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from receiver.records import Actor, RetentionPeriod

_PAGE_ROWS = 500
_C = recordings.c
_ARCHIVED = _C.state == State.ARCHIVED
_MARKED = _C.due_since.is_not(None)


class RetentionIndex:
    """What is written is on disk, and on record, before the call returns. Only what is archived expires."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, by: Actor, *, now: datetime) -> None:
        """Put on record that somebody has retention run."""
        await self._database.write(
            lambda tx: append(tx, AuditEntry.of(by, Action.RETENTION_BEGAN, "retention", at=now))
        )

    async def mark(self, period: RetentionPeriod | None, *, by: Actor, now: datetime) -> None:
        """Mark what is due, and take the mark from what is not due any more, all of it where nothing expires.

        Safe to repeat: a mark keeps its time, from which the days of grace are counted.
        """

        def entry(action: Action) -> Callable[[str], AuditEntry]:
            return lambda recording_id: AuditEntry.of(by, action, recording_id, at=now)

        is_over = sa.true() if period is None else sa.or_(~_long_ago(now - period.days), ~_ARCHIVED)
        await self._all(_Change(sa.and_(_MARKED, is_over), None, entry(Action.DUE_LIFTED)))
        if period is not None:
            due = sa.and_(_due(period, now), _C.due_since.is_(None))
            await self._all(_Change(due, now, entry(Action.DUE)))

    async def ripe(self, period: RetentionPeriod, *, now: datetime, after: Ripe | None, most: int) -> list[Ripe]:
        """Return due recordings whose grace is over and that are not on hold, the oldest first, those after `after`."""
        query = sa.select(_C.id, _C.created_at, _C.size_bytes).where(_ripe(period, now), ~_C.hold)
        query = _from(query, None if after is None else (after.created_at, after.id)).limit(most)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [Ripe(id=RecordingId(row.id), created_at=row.created_at, size_bytes=row.size_bytes or 0) for row in rows]

    async def erased(self, ids: Sequence[RecordingId]) -> list[RecordingId]:
        """Return which of these are erased."""
        query = sa.select(_C.id).where(_C.id.in_(ids), _C.state == State.ERASED)
        return [RecordingId(one) for one in await self._database.read(lambda tx: tx.execute(query).scalars().all())]

    async def held(self, period: RetentionPeriod, *, now: datetime) -> tuple[int, int]:
        """Return how many due recordings are on hold, and their bytes."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_C.size_bytes), 0))
        row = await self._database.read(lambda tx: tx.execute(query.where(_due(period, now), _C.hold)).one())
        return int(row[0]), int(row[1])

    async def groups(self, period: RetentionPeriod, *, now: datetime) -> list[DueGroup]:
        """Return the due recordings that are not on hold by when they may be erased, a group a run that marked them."""
        query = sa.select(_C.due_since, sa.func.count(), sa.func.coalesce(sa.func.sum(_C.size_bytes), 0))
        query = query.where(_due(period, now), ~_C.hold).group_by(_C.due_since)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        found = [
            DueGroup(erased_from=(since or now) + period.grace, recordings=many, bytes=int(size))
            for since, many, size in rows
        ]
        return sorted(found, key=lambda group: group.erased_from)

    async def _all(self, change: _Change) -> None:
        last: tuple[datetime, str] | None = None
        while (last := await self._database.write(partial(_page, change=change, after=last))) is not None:
            pass


@dataclass(frozen=True, slots=True)
class _Change:
    """Which marks are set or taken, and what of it is put on record."""

    chosen: sa.ColumnElement[bool]
    due_since: datetime | None
    entry: Callable[[str], AuditEntry]


def _from(query: sa.Select[Any], after: tuple[datetime, str] | None) -> sa.Select[Any]:
    """Go along the rows in the order that the indexes have, from a place on."""
    query = query.order_by(_C.created_at, _C.id)
    if after is None:
        return query
    place = sa.tuple_(sa.literal(after[0], _C.created_at.type), sa.literal(after[1]))
    return query.where(sa.tuple_(_C.created_at, _C.id) > place)


def _due(period: RetentionPeriod, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_ARCHIVED, _long_ago(now - period.days))


def _long_ago(limit: datetime) -> sa.ColumnElement[bool]:
    """Tell what was created before the limit, and first seen before it unless the platform's listing says when."""
    return sa.and_(_C.created_at <= limit, sa.or_(_C.listed_at.is_not(None), _C.first_seen_at <= limit))


def _ripe(period: RetentionPeriod, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_due(period, now), _C.due_since <= now - period.grace)


def _page(tx: sa.Connection, *, change: _Change, after: tuple[datetime, str] | None) -> tuple[datetime, str] | None:
    """Change the marks of a page of recordings, and return its last place; None where there was nothing left.

    What is not archived any more needs no entry.
    """
    query = _from(sa.select(_C.id, _C.state, _C.created_at).where(change.chosen), after).limit(_PAGE_ROWS)
    rows = tx.execute(query.with_for_update()).all()
    if not rows:
        return None
    update = sa.update(recordings).where(_C.id.in_([row.id for row in rows]))
    tx.execute(update.values(due_since=change.due_since))
    append_all(tx, [change.entry(row.id) for row in rows if row.state == State.ARCHIVED])
    return rows[-1].created_at, rows[-1].id
