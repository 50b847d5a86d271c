"""The audit log's chain: what was written stays as it was, or the first entry that is not is named."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.tables import Database, open_database
from receiver.tables import audit_log as entries
from tests.support.clock import NOW

WRITERS = 12


async def add(database: Database, number: int) -> None:
    entry = audit_log.AuditEntry(
        at=NOW + timedelta(microseconds=number),
        actor="cleanup",
        action="source_deleted",
        subject=f"m{number}",
        details={"recordings": [{"id": "ü", "sha256": None}]},
    )
    await database.write(lambda tx: audit_log.append(tx, entry))


async def test_two_processes_that_write_at_once_make_one_chain(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    try:
        await asyncio.gather(*(add(one, number) for number in range(WRITERS) for one in (database, other)))
    finally:
        await other.close()
    before = sa.select(entries.c.previous_hash)
    previous = await database.read(lambda tx: tx.execute(before).scalars().all())
    assert len(previous) == len(set(previous)) == 2 * WRITERS
    assert await audit_log.verify(database) is None


TAMPERED = {
    "another subject": sa.update(entries).where(entries.c.id == 3).values(subject="m9"),
    "another time": sa.update(entries).where(entries.c.id == 3).values(at=NOW),
    "other details": sa.update(entries).where(entries.c.id == 3).values(details={"recordings": []}),
    "another hash": sa.update(entries).where(entries.c.id == 3).values(hash="f" * 64),
    "one removed": sa.delete(entries).where(entries.c.id == 2),
}


@pytest.mark.parametrize("tampered", TAMPERED)
async def test_the_first_entry_that_was_tampered_with_is_named(
    database: Database, tampered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_PAGE_ROWS", 2)
    for number in range(5):
        await add(database, number)
    assert await audit_log.verify(database) is None
    await database.write(lambda tx: tx.execute(TAMPERED[tampered]))
    assert await audit_log.verify(database) == 3
