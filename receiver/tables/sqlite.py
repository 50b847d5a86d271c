"""Transactions on a SQLite file: each whole in a thread, and what waits to be written committed together.

A transaction costs one way to another thread and back, and not one a statement: beside busy transfers that way takes
milliseconds. A commit waits for the disk, so those that come meanwhile share the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from receiver.tables.database import Database, outages_told, own_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BUSY_TIMEOUT_MS = 5000
"""Longest wait for another process's write (a command beside the service) before the answer is "unavailable"."""
_SQLITE_BUSY = 5
"""In the lower byte of SQLite's result codes."""
_LOOK_AGAIN_S = 0.001
_LOG_TIMEOUT_MS = 100
"""The same, to cut the log: writers wait meanwhile."""
_CACHE_KIB = 16_000
"""Pages that a connection keeps: with its default of 2 MB, every row of a listing is read from the file again."""
_CHECKPOINT_PAGES = 4000
"""Length of the write-ahead log at which its pages are brought to the file. The last pages of the indexes change with
every delivery: at the default of 1000, writing them so much more often took a tenth of a delivery's CPU time and a
fifth of its time in all (2026-11-28). Every commit is in the log first, which reaches 17 MB.
"""
_READERS = 4
_MOST_TOGETHER = 64
T = TypeVar("T")


class _Turn(Generic[T]):
    """A transaction that waits for its commit: `outcome` is the writer's, and `told` its caller."""

    def __init__(self, body: Callable[[sa.Connection], T]) -> None:
        self.body = body
        self.outcome: Future[T] = Future()
        self.told: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def tell(self) -> None:
        error = self.outcome.exception()
        self.told.set_result(self.outcome.result()) if error is None else self.told.set_exception(error)


class SqliteDatabase(Database):
    """A file. One process works on it; commands beside it take short turns."""

    is_sqlite = True
    insert = staticmethod(sqlite.insert)

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, pool_size=_READERS + 1, max_overflow=0)
        sa.event.listen(self.engine, "connect", _prepare)
        sa.event.listen(self.engine, "begin", _begin)
        self._readers = ThreadPoolExecutor(_READERS, "sqlite-reader")
        # SQLite has one writer: queueing here is fair, its busy handler polls and is not
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._waiting: deque[_Turn[Any]] = deque()
        self._is_called = False  # the writer is, and has not yet looked at who waits

    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.read`."""

        def run() -> T:
            with self.transaction(write=False) as tx:
                return body(tx)

        reading = self._readers.submit(run)
        return await _whole(reading, asyncio.wrap_future(reading))

    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.write`."""
        turn = _Turn(body)
        self._waiting.append(turn)
        self._call_writer()
        return await _whole(turn.outcome, turn.told)

    async def clear_log(self) -> bool:
        """Bring the log of writes into the file and cut it; false where a reader, or another process, is in the way."""

        def cut() -> bool:
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout={_LOG_TIMEOUT_MS}")
                connection.info["timeout_ms"] = _LOG_TIMEOUT_MS
                busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return not busy
            finally:
                connection.close()

        with outages_told():
            cutting = self._writer.submit(cut)
            return await _whole(cutting, asyncio.wrap_future(cutting))

    async def close(self) -> None:
        """Close every connection; no transaction may run."""
        self._readers.shutdown()
        self._writer.shutdown()
        self.engine.dispose()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        """Open a transaction in the calling thread, which waits for the file; beside it `write` must not be called."""
        with outages_told(), self.engine.connect() as pooled:
            connection = pooled.execution_options(receiver_write=write)
            with connection.begin():
                yield connection

    def _call_writer(self) -> None:
        """Have the writer called once for all who wait: a call each is a change of threads each."""
        if not self._is_called:
            self._is_called = True
            self._writer.submit(self._write_waiting)

    def _write_waiting(self) -> None:
        self._is_called = False  # before it looks: who comes later calls again
        turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))]
        if self._waiting:
            self._call_writer()
        self._commit([turn for turn in turns if turn.outcome.set_running_or_notify_cancel()])

    def _commit(self, turns: Sequence[_Turn[Any]]) -> None:
        """Run the turns in one transaction; where one of them fails, nothing was kept and each is run by itself."""
        if not turns:
            return
        is_one_at_fault = False
        try:
            with self.transaction(write=True) as tx:
                is_one_at_fault = len(turns) > 1
                results = [turn.body(tx) for turn in turns]
                is_one_at_fault = False
        except BaseException as e:  # noqa: BLE001  (whatever it is, it is the waiters' to raise)
            if is_one_at_fault:
                for turn in turns:
                    self._commit([turn])
                return
            for turn in turns:
                turn.outcome.set_exception(own_instance(e))
        else:
            for turn, result in zip(turns, results, strict=True):
                turn.outcome.set_result(result)
        _tell(turns)


def _tell(turns: Sequence[_Turn[Any]]) -> None:
    """Wake each loop once for all who wait in it: a wake is a call of the system and a change of threads."""

    def in_loop(told: Sequence[_Turn[Any]]) -> None:
        for turn in told:
            turn.tell()

    for loop in {turn.told.get_loop() for turn in turns}:
        with suppress(RuntimeError):  # closed: nobody waits in it any more
            loop.call_soon_threadsafe(in_loop, [turn for turn in turns if turn.told.get_loop() is loop])


async def _whole(handed_over: Future[T], working: asyncio.Future[T]) -> T:
    """Wait for a thread's work; a caller that is cancelled meanwhile goes on once nothing of it still runs."""
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        if not handed_over.cancel():
            await asyncio.wait({working})
        raise


def _prepare(connection: Any, _record: Any) -> None:
    # The driver must not begin on its own: `_begin` does, so that writers take the lock up front.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # of erased rows less is left so; Debian's builds have it on, others have not
        f"cache_size=-{_CACHE_KIB}",
        f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    is_write = connection.get_execution_options().get("receiver_write")
    driver: Any = connection.connection.dbapi_connection
    timeout_ms = 0 if is_write else _BUSY_TIMEOUT_MS
    if connection.info.get("timeout_ms") != timeout_ms:  # each time it would be a twentieth of a delivery's CPU time
        driver.execute(f"PRAGMA busy_timeout={timeout_ms}")
        connection.info["timeout_ms"] = timeout_ms
    if not is_write:
        connection.exec_driver_sql("BEGIN")
    elif not _takes_lock(driver, connection.dialect.loaded_dbapi.OperationalError):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails again, and is told as any statement's failure


def _takes_lock(driver: Any, failure: type[Exception]) -> bool:
    """Begin to write as soon as another process lets go; false where it does not in time, or all else is wrong.

    SQLite's own handler looks again after 1, 2, 5, 10 and at last 100 ms: beside a command that writes again and again,
    deliveries waited 130 ms for a lock that was never held for more than 50 (`tests.bench.erasure`, 2026-11-28).
    """
    ends_at = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while time.monotonic() < ends_at:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except failure as e:
            if getattr(e, "sqlite_errorcode", 0) & 0xFF != _SQLITE_BUSY:
                return False
            time.sleep(_LOOK_AGAIN_S)
        else:
            return True
    return False
