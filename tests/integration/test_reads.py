"""A read transaction shows one state of the rows, on either database."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from receiver.tables import open_database, write_probes
from tests.support.clock import NOW


async def test_what_is_committed_beside_a_read_shows_in_none_of_its_statements(database, database_url):
    async def add() -> None:
        another = open_database(database_url)
        await another.write(lambda tx: tx.execute(sa.insert(write_probes).values(name="beside", written_at=NOW)))
        await another.close()

    def names(tx: sa.Connection) -> list[str]:
        return list(tx.execute(sa.select(write_probes.c.name)).scalars())

    def read(tx: sa.Connection) -> tuple[list[str], list[str]]:
        before = names(tx)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(asyncio.run, add()).result()
        return before, names(tx)

    assert await database.read(read) == ([], [])
    assert await database.read(names) == ["beside"]
    await database.write(lambda tx: tx.execute(sa.delete(write_probes)))
