"""Which recordings are due to be erased since they were kept long enough, and since when they are marked so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append, append_all
from receiver.records import Action, DueGroup, RecordingId, State
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
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

    async def mark(self, keeping: RetentionPeriod | None, *, by: Actor, now: datetime) -> None:
        """Mark what is due, and take the mark from what is not due any more, all of it where nothing expires.

        Safe to repeat: a mark keeps its time, from which the days of grace are counted.
        """
        lifted = (
            _MARKED if keeping is None else sa.and_(_MARKED, sa.or_(_C.created_at > now - keeping.days, ~_ARCHIVED))
        )
        await self._pages(partial(_change, chosen=lifted, due_since=None, by=by, now=now))
        if keeping is not None:
            due = sa.and_(_due(keeping, now), _C.due_since.is_(None))
            await self._pages(partial(_change, chosen=due, due_since=now, by=by, now=now))

    async def ripe(self, keeping: RetentionPeriod, *, now: datetime, after: str, most: int) -> list[RecordingId]:
        """Return due recordings by id, those after `after`, whose grace is over and that are not on hold."""
        query = sa.select(_C.id).where(_ripe(keeping, now), ~_C.hold, _C.id > after).order_by(_C.id).limit(most)
        found = await self._database.read(lambda tx: tx.execute(query).scalars().all())
        return [RecordingId(one) for one in found]

    async def erased(self, ids: Sequence[RecordingId]) -> list[RecordingId]:
        """Return which of these are erased."""
        query = sa.select(_C.id).where(_C.id.in_(ids), _C.state == State.ERASED)
        return [RecordingId(one) for one in await self._database.read(lambda tx: tx.execute(query).scalars().all())]

    async def bytes_of(self, ids: Sequence[RecordingId]) -> dict[RecordingId, int]:
        """Return how many bytes are archived of each of these."""
        query = sa.select(_C.id, _C.size_bytes).where(_C.id.in_(ids))
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return {RecordingId(row.id): row.size_bytes or 0 for row in rows}

    async def held(self, keeping: RetentionPeriod, *, now: datetime) -> tuple[int, int]:
        """Return how many due recordings are on hold, and their bytes."""
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_C.size_bytes), 0))
        row = await self._database.read(lambda tx: tx.execute(query.where(_due(keeping, now), _C.hold)).one())
        return int(row[0]), int(row[1])

    async def groups(self, keeping: RetentionPeriod, *, now: datetime) -> list[DueGroup]:
        """Return the due recordings that are not on hold by when they may be erased, a group a run that marked them."""
        query = sa.select(_C.due_since, sa.func.count(), sa.func.coalesce(sa.func.sum(_C.size_bytes), 0))
        query = query.where(_due(keeping, now), ~_C.hold).group_by(_C.due_since)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        found = [
            DueGroup(erased_from=(since or now) + keeping.grace, recordings=many, bytes=int(size))
            for since, many, size in rows
        ]
        return sorted(found, key=lambda group: group.erased_from)

    async def _pages(self, page: partial[int]) -> None:
        while await self._database.write(page) == _PAGE_ROWS:
            pass


def _due(keeping: RetentionPeriod, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_ARCHIVED, _C.created_at <= now - keeping.days)


def _ripe(keeping: RetentionPeriod, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_due(keeping, now), _C.due_since <= now - keeping.grace)


def _change(
    tx: sa.Connection, *, chosen: sa.ColumnElement[bool], due_since: datetime | None, by: Actor, now: datetime
) -> int:
    """Set or take the mark of a page of recordings; what is gone by then needs no entry."""
    query = sa.select(_C.id, _C.state).where(chosen).order_by(_C.id).limit(_PAGE_ROWS).with_for_update()
    rows = tx.execute(query).all()
    if rows:
        tx.execute(sa.update(recordings).where(_C.id.in_([row.id for row in rows])).values(due_since=due_since))
    action = Action.DUE_LIFTED if due_since is None else Action.DUE
    append_all(tx, [AuditEntry.of(by, action, row.id, at=now) for row in rows if row.state == State.ARCHIVED])
    return len(rows)
