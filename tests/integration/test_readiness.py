"""Readiness: a write that reaches the disk, and not one for every probe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.app.probing import Readiness
from receiver.errors import StorageUnavailableError
from receiver.inbox import is_refused
from receiver.tables import open_database, write_probes
from tests.support.databases import ON_POSTGRESQL

if TYPE_CHECKING:
    from receiver.tables import Database


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_it_writes_once_a_second_however_often_it_is_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, writes = Clock(), 0
    readiness = Readiness(database, monotonic=clock)
    write = database.write

    async def counted(body):
        nonlocal writes
        writes += 1
        return await write(body)

    monkeypatch.setattr(database, "write", counted)
    await asyncio.gather(*(readiness.check() for _ in range(50)))
    assert writes == 1
    before = await database.read(lambda tx: tx.execute(sa.select(write_probes)).one())
    clock.now_s += 1
    await readiness.check()
    after = await database.read(lambda tx: tx.execute(sa.select(write_probes)).one())
    assert (writes, after.name) == (2, before.name)
    assert after.written_at > before.written_at


@ON_POSTGRESQL  # SQLite knows no rights but the file's
async def test_a_missing_right_is_told_as_what_can_be_mended(postgres, database: Database, database_url: str) -> None:
    """A service whose right was taken is not ready, and a delivery to it comes again."""
    await database.write(lambda tx: tx.execute(sa.text("CREATE ROLE nobody_here LOGIN")))
    try:
        server, _, name = database_url.rpartition("/")
        address = server.partition("@")[2]
        limited = open_database(f"postgresql://nobody_here@{address}/{name}")
        with pytest.raises(StorageUnavailableError, match="permission denied for table write_probes") as caught:
            await Readiness(limited, monotonic=Clock()).check()
        assert caught.value.code == "42501"
        assert not is_refused(caught.value)
        await limited.close()
    finally:
        await database.write(lambda tx: tx.execute(sa.text("DROP ROLE nobody_here")))
