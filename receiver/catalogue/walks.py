"""How far reconciliations are: each walk's holder, what it has counted, and the meetings that it has done."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import WalkTakenError
from receiver.records import MeetingId, Tally, Walk
from receiver.tables import Database, reconciled_meetings, reconciliations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

HELD_FOR = timedelta(seconds=10)
"""How long a walk is its holder's after a sign of life; then the next process that asks goes on with it.

Where two machines' clocks differ by more, one may take a walk from a holder that lives, who then stops.
"""
KEPT_FOR = timedelta(days=7)
"""How long a walk is remembered that no process went on with."""


class Walks:
    """Every walk by its name. What a holder notes is on disk before the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, *, since: datetime, now: datetime) -> Walk | None:
        """Go on with the walk of this name if it was not ended, or begin it anew; None while another holds it."""
        holder = secrets.token_hex(8)
        new = {"since": since, "began_at": now, "tally": {}}
        held = {"holder": holder, "held_until": now + HELD_FOR, "ended_at": None}

        def take(tx: sa.Connection) -> Walk | None:
            tx.execute(sa.delete(reconciliations).where(reconciliations.c.held_until < now - KEPT_FOR))
            ended = {"name": name, "holder": "", "held_until": now, "ended_at": now, **new}
            tx.execute(self._database.insert(reconciliations).values(ended).on_conflict_do_nothing())
            named = reconciliations.c.name == name
            row = tx.execute(sa.select(reconciliations).where(named).with_for_update()).one()
            is_resumed = row.ended_at is None
            if is_resumed and row.held_until > now:
                return None
            if not is_resumed:
                tx.execute(_forget(name))
            values = held if is_resumed else held | new
            tx.execute(sa.update(reconciliations).where(named).values(values))
            return Walk(
                name=name,
                holder=holder,
                since=row.since if is_resumed else since,
                began_at=row.began_at if is_resumed else now,
                tally=Tally(**row.tally) if is_resumed else Tally(),
                is_resumed=is_resumed,
            )

        return await self._database.write(take)

    async def done(self, walk: Walk, meeting_ids: Sequence[MeetingId]) -> frozenset[MeetingId]:
        """Return which of these meetings the walk has done; ask for no more than a page of them."""
        done = sa.select(reconciled_meetings.c.meeting_id).where(
            reconciled_meetings.c.name == walk.name, reconciled_meetings.c.meeting_id.in_(meeting_ids)
        )
        found = await self._database.read(lambda tx: tx.execute(done).scalars().all())
        return frozenset(map(MeetingId, found))

    async def note(self, walk: Walk, meeting_ids: Sequence[MeetingId], tally: Tally, *, now: datetime) -> None:
        """Record meetings as done, what was counted with them in all, and that the holder lives.

        Raises `WalkTakenError`.
        """
        rows = [{"name": walk.name, "meeting_id": meeting_id} for meeting_id in meeting_ids]

        def note(tx: sa.Connection) -> None:
            _write(tx, walk, tally=asdict(tally), held_until=now + HELD_FOR)
            if rows:
                tx.execute(self._database.insert(reconciled_meetings).on_conflict_do_nothing(), rows)

        await self._database.write(note)

    async def leave(self, walk: Walk, *, now: datetime) -> None:
        """Let the next one go on with the walk at once. Raises `WalkTakenError`."""
        await self._database.write(lambda tx: _write(tx, walk, held_until=now))

    async def end(self, walk: Walk, *, now: datetime) -> None:
        """Record that the walk is over. Raises `WalkTakenError`."""

        def end(tx: sa.Connection) -> None:
            _write(tx, walk, held_until=now, ended_at=now)
            tx.execute(_forget(walk.name))

        await self._database.write(end)


def _write(tx: sa.Connection, walk: Walk, **values: Any) -> None:
    held = sa.and_(reconciliations.c.name == walk.name, reconciliations.c.holder == walk.holder)
    if tx.execute(sa.update(reconciliations).where(held).values(values)).rowcount != 1:
        raise WalkTakenError(
            "another process went on with this reconciliation, since this one gave no sign of life: it was stopped, or "
            "the database was away; what was found is stored"
        )


def _forget(name: str) -> sa.Delete:
    return sa.delete(reconciled_meetings).where(reconciled_meetings.c.name == name)
