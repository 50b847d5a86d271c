"""The page's sessions that were ended before their time, in the database, where every process sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.tables import ended_sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.tables import Database


class DatabaseEndedSessions:
    """Implements `page.EndedSessions`: a row for each, until it would have expired."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def has(self, session_id: str) -> bool:
        found = sa.select(sa.exists().where(ended_sessions.c.id == session_id))
        return bool(await self._database.read(lambda tx: tx.execute(found).scalar_one()))

    async def add(self, session_id: str, *, expires_at: datetime) -> None:
        row = self._database.insert(ended_sessions).values(id=session_id, expires_at=expires_at)
        expired = sa.delete(ended_sessions).where(ended_sessions.c.expires_at < self._clock())

        def write(tx: sa.Connection) -> None:
            tx.execute(expired)
            tx.execute(row.on_conflict_do_nothing())

        await self._database.write(write)
