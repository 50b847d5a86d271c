"""Readiness: a write that reaches the disk, and not one for every probe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.app.probing import Readiness
from receiver.tables import write_probes

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
