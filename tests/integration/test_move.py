"""Moving an index: everything arrives, proven, or nothing does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Filters, Holds, Runs
from receiver.errors import ReceiverError, SchemaOutdatedError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import Actor, HoldScope, RecordingId, State
from receiver.tables import Database, metadata, move, open_database, recordings, standing_holds, upgrade, upload_parts
from receiver.tables.move import _advance_sequence, _moved, content
from tests.support.clock import NOW
from tests.support.intake import STORED, accept
from tests.support.payloads import example, payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LATER = NOW + timedelta(seconds=1)
MANY = 1100
"""Recordings in the source."""
KILLED = """
import asyncio, os, signal, sys
from receiver.tables import move, open_database
def kill(table, rows):
    if table == "participants":
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(move(open_database(sys.argv[1]), open_database(sys.argv[2]), kill))
"""


@pytest.fixture(scope="module")
def source_file(sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an embedded database in which recordings stand in several states, of which a test gets a copy."""
    path = tmp_path_factory.mktemp("move") / "source.db"
    shutil.copy(sqlite_file, path)
    asyncio.run(_fill(open_database(f"sqlite:///{path}")))
    return path


async def _fill(database: Database) -> None:
    runs = Runs(database)
    names = [f"r{number:04}" for number in range(MANY)]
    for body in (
        example(),
        payload(*names, duration=0.1, size=1e300, participants_ids=[7, 2**53 + 1]),
        payload("u1", "u2").replace(b"Weekly", "Ünïcode \u20ac \U0001f600".encode()),
        *(payload(f"d{number}") for number in range(40)),
    ):
        inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
        await accept(inbox, body, now=NOW + timedelta(microseconds=1))
    claim = await runs.claim(RecordingId("r0000"), now=LATER)
    assert claim is not None
    await runs.finish(claim, STORED, now=LATER)
    await runs.claim(RecordingId("r0001"), now=LATER)  # as a killed service leaves it
    holds, by = Holds(database), Actor("token:alice")
    for scope, value in ((HoldScope.RECORDING, "r0002"), (HoldScope.PERSON, "sam@example.com")):
        await holds.add(scope, value, reason="a case", by=by, now=NOW)

    def change(tx):
        part = {"recording_id": "r0001", "number": 1, "etag": '"e"', "size_bytes": 5, "checksum": "crc64nvme:x"}
        tx.execute(sa.insert(upload_parts).values(part))

    await database.write(change)
    await database.close()


@pytest.fixture
async def source(source_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(source_file, tmp_path / "source.db")
    database = open_database(f"sqlite:///{tmp_path}/source.db")
    yield database
    await database.close()


@pytest.fixture
async def target(empty_database_url: str) -> AsyncIterator[Database]:
    database = open_database(empty_database_url)
    yield database
    await database.close()


def _silent(_table: str, _rows: int) -> None:
    return None


async def _counts(database: Database) -> dict[str, int]:
    return await database.read(
        lambda tx: {
            table.name: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in _moved()
        }
    )


async def _rows(database: Database, table: sa.Table) -> set[tuple[Any, ...]]:
    """Return a table's rows; JSON is moved with its names in order."""
    told = sa.select(table)
    return await database.read(lambda tx: {tuple(map(_told, row)) for row in tx.execute(told)})


def _told(value: Any) -> str:
    return repr(dict(sorted(value.items())) if isinstance(value, dict) else value)


def test_every_table_but_the_databases_own_is_moved() -> None:
    assert {table.name for table in metadata.sorted_tables} - {table.name for table in _moved()} == {
        "schema_compatibility",
        "notice_holders",  # a process at work on the database that is left
        "search_postings",  # made anew of the rows
        "state_counts",  # counted by triggers as the rows arrive
        "archived_bytes",  # so summed
        "hour_cells",  # noted by triggers likewise
        "standing_holds",  # likewise
        "write_probes",  # says that the database which is left took a write
        "bucket_walks",  # of a walk that another database's process may be on
        "api_pauses",  # timed by the clock of the database that is left
    }


async def test_everything_arrives_and_is_proven(source: Database, target: Database) -> None:
    told: list[tuple[str, int]] = []
    before = await _counts(source)
    report = await move(source, target, lambda table, rows: told.append((table, rows)))
    assert {name: held.rows for name, held in report.tables.items()} == before == await _counts(target)
    assert before["recordings"] == MANY + 44
    for table in _moved():
        assert await _rows(target, table) == await _rows(source, table)
        assert await source.read(lambda tx, table=table: content(tx, table)) == report.tables[table.name]
    assert [rows for name, rows in told if name == "recordings"] == [MANY + 44]
    assert [rows for name, rows in told if name == "deliveries"] == [16, 32, 43]
    moved = Catalogue(target)
    assert await target.read(lambda tx: tx.execute(sa.select(standing_holds.c.number)).scalar_one()) == 1
    assert (await moved.recording(RecordingId("r0001"))).state is State.ARCHIVING
    assert (await moved.page(Filters(), limit=50)).items == (await Catalogue(source).page(Filters(), limit=50)).items
    claim = await Runs(target).claim(RecordingId("r0001"), now=LATER)  # taken over as after any crash
    assert claim is not None
    assert (claim.attempt, claim.crashes) == (1, 1)


async def test_a_database_that_holds_rows_is_refused_and_kept(source: Database, target: Database) -> None:
    await move(source, target, _silent)
    before = await _rows(target, recordings)
    with pytest.raises(ReceiverError, match=r"already has rows in .*: name an empty database"):
        await move(source, target, _silent)
    assert await _rows(target, recordings) == before


async def test_a_source_of_an_older_release_is_refused_with_the_remedy(tmp_path: Path, target: Database) -> None:
    old = open_database(f"sqlite:///{tmp_path}/old.db")
    try:
        await upgrade(old, "0001")
        with pytest.raises(SchemaOutdatedError, match="run `receiver migrate`"):
            await move(old, target, _silent)
        assert await target.read(lambda tx: sa.inspect(tx).get_table_names()) == []
    finally:
        await old.close()


async def test_nobody_changes_the_source_meanwhile(source: Database, target: Database, tmp_path: Path) -> None:
    refused: list[str] = []

    def write(_table: str, _rows: int) -> None:
        with (
            sqlite3.connect(tmp_path / "source.db", timeout=0) as beside,
            pytest.raises(sqlite3.OperationalError, match="locked") as e,
        ):
            beside.execute("UPDATE recordings SET state = 'cancelled'")
        beside.close()
        refused.append(str(e.value))

    await move(source, target, write)
    assert refused


async def test_a_kill_leaves_no_row_and_the_move_can_be_made_again(
    source: Database, empty_database_url: str, target: Database, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, f"sqlite:///{tmp_path}/source.db", empty_database_url),
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"]},
    )
    assert await process.wait() == -signal.SIGKILL
    assert set((await _counts(target)).values()) == {0}
    await move(source, target, _silent)
    assert await _counts(target) == await _counts(source)


CHANGES = {
    "a float's last digit": ("UPDATE recordings SET duration_s = duration_s + 1e-16 WHERE id = 'r1099'", "recordings"),
    "a microsecond": (
        "UPDATE deliveries SET received_at = '2026-11-22 12:00:00.000002' WHERE body_bytes > 100000",
        "deliveries",
    ),
    "a flag": ("UPDATE recordings SET hold = false WHERE hold", "recordings"),
    "a row": ("DELETE FROM participants WHERE recording_id = 'r1099' AND position = 1", "participants"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_difference_undoes_the_move_and_names_the_table(
    source: Database, target: Database, change: str
) -> None:
    """A trigger on the last table that is filled changes what was copied before, as a faulty database might."""
    statement, table = CHANGES[change]
    await upgrade(target)
    last = _moved()[-1].name

    def change(tx):
        if target.is_sqlite:
            tx.exec_driver_sql(f"CREATE TRIGGER spoil AFTER INSERT ON {last} BEGIN {statement}; END")
        else:
            tx.exec_driver_sql(
                f"CREATE FUNCTION spoil() RETURNS trigger AS $$ BEGIN {statement}; RETURN NULL; END $$ LANGUAGE plpgsql"
            )
            tx.exec_driver_sql(f"CREATE TRIGGER spoil AFTER INSERT ON {last} EXECUTE FUNCTION spoil()")

    await target.write(change)
    with pytest.raises(ReceiverError, match=rf"{table} is not the same on both sides.*nothing was moved"):
        await move(source, target, _silent)
    assert set((await _counts(target)).values()) == {0}


async def test_numbers_given_out_after_a_move_follow_the_moved_ones(target: Database) -> None:
    numbered = sa.Table(
        "numbered",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("x", sa.Text),
    )

    def change(tx):
        numbered.create(tx)
        _advance_sequence(tx, numbered)
        tx.execute(sa.insert(numbered).values(x="first"))
        tx.execute(sa.insert(numbered), [{"id": 41, "x": "moved"}])
        _advance_sequence(tx, numbered)
        tx.execute(sa.insert(numbered).values(x="next"))
        assert list(tx.execute(sa.select(numbered.c.id).order_by("id")).scalars()) == [1, 41, 42]

    await target.write(change)
