"""Sessions that were ended: every process sees them, for as long as they would have lasted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa

from receiver.app.ended_sessions import DatabaseEndedSessions
from receiver.tables import Database, ended_sessions, open_database
from tests.support.operators import NOW

LATER = NOW + timedelta(hours=12)


async def test_one_that_ends_here_is_over_everywhere(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    try:
        here, there = (DatabaseEndedSessions(one, lambda: NOW) for one in (database, other))
        assert not await there.has("s1")
        await asyncio.gather(*(sessions.add("s1", expires_at=LATER) for sessions in (here, there, here)))
        assert await there.has("s1")
        assert not await there.has("s2")
    finally:
        await other.close()


async def test_those_that_have_expired_are_forgotten(database: Database) -> None:
    await DatabaseEndedSessions(database, lambda: NOW).add("s1", expires_at=LATER)
    await DatabaseEndedSessions(database, lambda: LATER + timedelta(seconds=1)).add(
        "s2", expires_at=LATER + timedelta(hours=12)
    )
    kept = await database.read(lambda tx: tx.execute(sa.select(ended_sessions.c.id)).scalars().all())
    assert kept == ["s2"]
