"""The log's chain: what was written stays as it was, or the first place that is not is named."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from receiver.catalogue import audit_log
from receiver.records import ChainHead
from receiver.tables import Database, audit_log_heads, open_database, unsealed_audit_log
from receiver.tables import audit_log as entries
from tests.support.clock import NOW
from tests.support.databases import ON_POSTGRESQL

ROOT = Path(__file__).parents[2]
WRITERS = 12


def entry(number: int) -> audit_log.AuditEntry:
    return audit_log.AuditEntry(
        at=NOW + timedelta(microseconds=number),
        actor="cleanup",
        action="source_deleted",
        subject=f"m{number}",
        details={"recordings": [{"id": "ü", "sha256": None}]},
    )


async def add(database: Database, number: int) -> None:
    await database.write(lambda tx: audit_log.append(tx, entry(number)))


async def chain_of(database: Database, count: int) -> ChainHead:
    for number in range(count):
        await add(database, number)
    assert await audit_log.seal(database, wait=True) == count
    report = await audit_log.inspect(database)
    assert (report.entries, report.unsealed, report.broken_at) == (count, 0, None)
    assert report.head is not None
    return report.head


async def subjects(database: Database) -> list[str]:
    query = sa.select(entries.c.subject).order_by(entries.c.id)
    return list(await database.read(lambda tx: tx.execute(query).scalars().all()))


async def test_two_processes_that_write_and_seal_at_once_make_one_chain(database: Database, database_url: str) -> None:
    other = open_database(database_url)

    async def one(base: Database, number: int) -> None:
        await add(base, number)
        await audit_log.seal(base)

    try:
        await asyncio.gather(*(one(base, number) for number in range(WRITERS) for base in (database, other)))
    finally:
        await other.close()
    await audit_log.seal(database, wait=True)
    previous = await database.read(lambda tx: tx.execute(sa.select(entries.c.previous_hash)).scalars().all())
    assert len(previous) == len(set(previous)) == 2 * WRITERS
    assert await audit_log.verify(database) is None


@ON_POSTGRESQL
async def test_an_entry_waits_for_no_other_transaction_and_a_sealer_for_none(database: Database) -> None:
    """The first writer is still at work when the second has committed and was sealed; rollbacks leave gaps of ids."""
    first_wrote, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(tx: sa.Connection) -> None:
        audit_log.append(tx, entry(1))
        tx.execute(sa.select(1))
        loop.call_soon(first_wrote.set)
        from sqlalchemy.util import await_only  # noqa: PLC0415

        await_only(go_on.wait())

    def given_up(tx: sa.Connection) -> None:
        audit_log.append(tx, entry(9))
        raise KeyError

    writing = asyncio.create_task(database.write(slowly))
    await first_wrote.wait()
    with pytest.raises(KeyError):
        await database.write(given_up)
    await add(database, 2)
    assert await audit_log.seal(database) == 1
    go_on.set()
    await writing
    assert await audit_log.seal(database) == 1
    assert await subjects(database) == ["m2", "m1"]
    assert await audit_log.verify(database) is None


@ON_POSTGRESQL
async def test_a_sealer_leaves_the_turn_to_the_one_that_has_it(database: Database, database_url: str) -> None:
    await add(database, 1)
    other = open_database(database_url)
    try:
        async with AsyncEngine(other.engine).begin() as busy:
            await busy.execute(sa.select(sa.func.pg_advisory_xact_lock(audit_log._LOCK)))
            assert await audit_log.seal(database) == 0
        assert await audit_log.seal(database) == 1
    finally:
        await other.close()


async def test_a_sealer_killed_between_its_pages_loses_and_doubles_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_SEALED_ROWS", 2)
    for number in range(5):
        await add(database, number)
    sealing = audit_log._seal
    turns = 0

    def dies(tx: sa.Connection, **how: object) -> int:
        nonlocal turns
        turns += 1
        moved = sealing(tx, **how)  # type: ignore[arg-type]
        if turns == 2:
            raise RuntimeError
        return moved

    monkeypatch.setattr(audit_log, "_seal", dies)
    with pytest.raises(RuntimeError):
        await audit_log.seal(database)
    monkeypatch.setattr(audit_log, "_seal", sealing)
    report = await audit_log.inspect(database)
    assert (report.entries, report.unsealed, report.broken_at) == (2, 3, None)
    assert await audit_log.seal(database) == 3
    assert await subjects(database) == [f"m{number}" for number in range(5)]


async def test_the_chain_goes_on_after_entries_that_an_older_release_sealed_itself(database: Database) -> None:
    """As a release before 0019 did: in the act's own transaction, under the same lock, without noting a head."""
    await add(database, 0)
    await audit_log.seal(database)

    def old_append(tx: sa.Connection) -> None:
        newest = sa.select(entries.c.hash).order_by(entries.c.id.desc()).limit(1)
        previous = tx.execute(newest).scalar_one()
        sealed = {"previous_hash": previous, "hash": entry(1).sealed(previous)}
        tx.execute(sa.insert(entries).values(**asdict(entry(1)), **sealed))

    await database.write(old_append)
    assert await audit_log.verify(database) is None
    await add(database, 2)
    await audit_log.seal(database)
    assert await audit_log.verify(database) is None
    assert await subjects(database) == ["m0", "m1", "m2"]


@ON_POSTGRESQL
async def test_eight_processes_that_write_and_seal_at_once_make_one_whole_chain(
    database: Database, database_url: str
) -> None:
    writers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.log_writers", database_url, "2"), cwd=ROOT, stdout=PIPE
    )
    told, _ = await writers.communicate()
    assert writers.returncode == 0
    counts = list(map(int, told.split()))
    assert len(counts) == 8
    assert min(counts) > 0
    await audit_log.seal(database, wait=True)
    report = await audit_log.inspect(database)
    assert (report.entries, report.unsealed, report.broken_at) == (sum(counts), 0, None)


def at(place: int) -> sa.ColumnElement[bool]:
    return entries.c.id == place


TAMPERED = {
    "another subject": (sa.update(entries).where(at(3)).values(subject="m9"), 3, "not as it was written"),
    "another time": (sa.update(entries).where(at(3)).values(at=NOW), 3, "not as it was written"),
    "other details": (sa.update(entries).where(at(3)).values(details={}), 3, "not as it was written"),
    "another hash": (sa.update(entries).where(at(3)).values(hash="f" * 64), 3, "not as it was written"),
    "the first changed": (sa.update(entries).where(at(1)).values(actor="x"), 1, "not as it was written"),
    "the last changed": (sa.update(entries).where(at(5)).values(actor="x"), 5, "not as it was written"),
    "the first removed": (sa.delete(entries).where(at(1)), 2, "does not follow"),
    "one removed": (sa.delete(entries).where(at(2)), 3, "does not follow"),
    "the last removed": (sa.delete(entries).where(at(5)), 5, "not there any more: the log ends with 4"),
    "all removed": (sa.delete(entries), 5, "not there any more: the log ends with none"),
}


@pytest.mark.parametrize("tampered", TAMPERED)
async def test_the_first_place_that_was_tampered_with_is_named(
    database: Database, tampered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_PAGE_ROWS", 2)
    await chain_of(database, 5)
    change, place, fault = TAMPERED[tampered]
    await database.write(lambda tx: tx.execute(change))
    report = await audit_log.inspect(database)
    assert report.broken_at == place
    assert fault in (report.fault or "")


async def test_a_gap_at_the_end_stays_seen_when_the_log_goes_on(database: Database) -> None:
    await chain_of(database, 5)
    await database.write(lambda tx: tx.execute(sa.delete(entries).where(at(5))))
    await add(database, 5)
    await audit_log.seal(database)
    report = await audit_log.inspect(database)
    assert (report.broken_at, await audit_log.verify(database)) == (6, 6)


async def test_an_end_that_was_cut_with_the_databases_own_head_is_missed_by_the_one_kept_elsewhere(
    database: Database,
) -> None:
    kept = await chain_of(database, 3)

    def cut(tx: sa.Connection) -> None:
        tx.execute(sa.delete(entries).where(at(3)))
        tx.execute(sa.delete(audit_log_heads))

    await database.write(cut)
    assert (await audit_log.inspect(database)).broken_at is None
    report = await audit_log.inspect(database, kept=kept)
    assert (report.broken_at, report.head) == (3, ChainHead(entry_id=2, hash=report.head.hash if report.head else ""))


async def test_a_log_that_was_written_anew_is_told_by_the_head_kept_elsewhere(database: Database) -> None:
    kept = await chain_of(database, 3)

    def forge(tx: sa.Connection) -> None:
        rows = tx.execute(sa.select(entries).order_by(entries.c.id)).all()
        tx.execute(sa.delete(audit_log_heads))
        previous = "0" * 64
        for row in rows:
            seal = replace(audit_log._entry(row), actor="nobody").sealed(previous)
            values = {"actor": "nobody", "previous_hash": previous, "hash": seal}
            tx.execute(sa.update(entries).where(at(row.id)).values(values))
            previous = seal

    await database.write(forge)
    assert await audit_log.verify(database) is None
    report = await audit_log.inspect(database, kept=kept)
    assert report.broken_at == 3
    assert "written anew" in (report.fault or "")


async def test_what_is_not_sealed_is_counted(database: Database) -> None:
    await chain_of(database, 1)
    await add(database, 7)
    report = await audit_log.inspect(database)
    assert (report.entries, report.unsealed, report.broken_at) == (1, 1, None)
    left = sa.select(unsealed_audit_log.c.subject)
    assert await database.read(lambda tx: tx.execute(left).scalars().all()) == ["m7"]


@pytest.mark.parametrize(("place", "is_found"), [(2, False), (3, True), (5, True)])
async def test_the_end_of_a_long_log_can_be_looked_at_alone(database: Database, place: int, *, is_found: bool) -> None:
    await chain_of(database, 5)
    report = await audit_log.inspect(database, newest=3)
    assert (report.entries, report.broken_at) == (3, None)
    await database.write(lambda tx: tx.execute(sa.update(entries).where(at(place)).values(actor="x")))
    report = await audit_log.inspect(database, newest=3)
    assert report.broken_at == (place if is_found else None)
