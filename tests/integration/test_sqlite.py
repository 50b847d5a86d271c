"""What is SQLite's own: transactions that wait together are committed together, and each has its own outcome."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from receiver.errors import StorageUnavailableError
from receiver.tables import SqliteDatabase

WAITING = 5
HELD_S = 0.24
"""SQLite's own handler looks 228 ms after it found the lock taken, and then not before 328."""


@pytest.fixture
async def database(tmp_path):
    opened = SqliteDatabase(f"sqlite:///{tmp_path}/x.db")
    await opened.write(lambda tx: tx.exec_driver_sql("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    yield opened
    await opened.close()


@contextmanager
def counting(database, event):
    """Count the engine's events of this name."""
    seen = []
    note = lambda *_: seen.append(event)  # noqa: E731
    sa.event.listen(database.engine, event, note)
    yield seen
    sa.event.remove(database.engine, event, note)


async def rows(database):
    return await database.read(lambda tx: [x for (x,) in tx.exec_driver_sql("SELECT x FROM t ORDER BY x")])


def adding(number):
    return lambda tx: tx.exec_driver_sql("INSERT INTO t VALUES (?)", (number,)).rowcount


async def together(database, bodies):
    """Hold the writer until every body waits; return their outcomes."""
    entered, go_on = threading.Event(), threading.Event()

    def hold(_tx):
        entered.set()
        assert go_on.wait(10)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(entered.wait, 10)
    waiting = [asyncio.create_task(database.write(body)) for body in bodies]
    while len(database._waiting) < len(bodies):
        await asyncio.sleep(0)
    go_on.set()
    await holding
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_waits_is_committed_together(database) -> None:
    with counting(database, "commit") as commits:
        assert await together(database, [adding(n) for n in range(WAITING)]) == [1] * WAITING
    assert len(commits) == 2  # the one that held the writer, and all that waited
    assert await rows(database) == list(range(WAITING))


async def test_one_that_fails_takes_no_other_with_it(database) -> None:
    def refuse(tx):
        adding(100)(tx)
        raise LookupError("no")

    outcomes = await together(database, [adding(1), refuse, adding(1), adding(2)])
    assert [outcomes[0], outcomes[3]] == [1, 1]
    assert isinstance(outcomes[1], LookupError)
    assert isinstance(outcomes[2], sa.exc.IntegrityError)
    assert await rows(database) == [1, 2]


async def test_a_commit_that_fails_is_told_to_each_and_not_tried_again(database) -> None:
    with counting(database, "begin") as begun:

        def fail(_connection):
            if len(begun) > 1:  # the first is of the one that holds the writer
                raise OSError("disk I/O error")

        sa.event.listen(database.engine, "commit", fail)
        outcomes = await together(database, [adding(n) for n in range(WAITING)])
        sa.event.remove(database.engine, "commit", fail)
    assert len(begun) == 2
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailableError] * WAITING
    assert len({id(outcome) for outcome in outcomes}) == WAITING
    assert await rows(database) == []


async def test_a_writer_that_was_cancelled_while_it_waited_writes_nothing(database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hold(_tx):
        entered.set()
        assert go_on.wait(10)

    holding = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(entered.wait, 10)
    waiting = asyncio.create_task(database.write(adding(1)))
    while not database._waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await holding
    assert await rows(database) == []


async def test_one_cancelled_in_its_transaction_goes_on_when_that_is_over(database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hold(tx):
        entered.set()
        assert go_on.wait(10)
        adding(1)(tx)

    writing = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(entered.wait, 10)
    writing.cancel()
    await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await rows(database) == [1]


async def test_a_lock_that_another_process_held_is_taken_soon_after(database, tmp_path) -> None:
    late_s = []
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None, check_same_thread=False)) as other:
        for number in range(4):
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(database.write(adding(number)))
            await asyncio.sleep(HELD_S)
            assert not writing.done()
            other.execute("COMMIT")
            freed_at = time.monotonic()
            assert await writing == 1
            late_s.append(time.monotonic() - freed_at)
    assert min(late_s) < HELD_S / 6
