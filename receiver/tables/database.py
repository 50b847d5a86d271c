"""How a transaction is run, made durable and given back, on SQLite (one writer, in threads) and PostgreSQL.

A transaction is a plain function of a connection. SQLite runs it whole in a thread: what it costs beside busy transfers
is the way to another thread and back, so it is taken once a transaction and not once a statement.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from receiver.errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUSY_TIMEOUT_MS = 5000
"""Longest wait for another process's write (a command beside the service) before the answer is "unavailable"."""
_SQLITE_READERS = 4
T = TypeVar("T")


class Database(ABC):
    """Transactions on one database; failures of the database itself surface as `StorageUnavailableError`."""

    is_sqlite: bool
    engine: sa.Engine

    @abstractmethod
    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        """Run `body` in a read transaction: one consistent view until it returns."""

    @abstractmethod
    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        """Run `body` in a write transaction and commit it durably; what `body` raises rolls it back.

        Raises `StorageUnavailableError` when the database is down, locked or full; if that comes out of the commit,
        the outcome is unknown and the same write must be safe to send again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""


def open_database(url: str) -> Database:
    """Make the `Database` for a `DATABASE_URL`; nothing is connected before the first transaction."""
    return SqliteDatabase(url) if url.startswith("sqlite") else _Postgres(url)


class SqliteDatabase(Database):
    """A file. One process works on it; commands beside it take short turns."""

    is_sqlite = True

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, pool_size=_SQLITE_READERS + 1, max_overflow=0)
        sa.event.listen(self.engine, "connect", _prepare_sqlite)
        sa.event.listen(self.engine, "begin", _begin_sqlite)
        self._readers = ThreadPoolExecutor(_SQLITE_READERS, "sqlite-reader")
        # SQLite has one writer: queueing here is fair, its busy handler polls and is not
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")

    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        return await _whole(self._readers, lambda: self._transact(body, write=False))

    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        return await _whole(self._writer, lambda: self._transact(body, write=True))

    async def close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self.engine.dispose()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        """Open a transaction in the calling thread, which waits for the file; beside it `write` must not be called."""
        with _translated(), self.engine.connect() as pooled:
            connection = pooled.execution_options(receiver_write=write)
            with connection.begin():
                yield connection

    def _transact(self, body: Callable[[sa.Connection], T], *, write: bool) -> T:
        with self.transaction(write=write) as tx:
            return body(tx)


class _Postgres(Database):
    is_sqlite = False

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(
            f"postgresql+asyncpg://{url.partition('://')[2]}",
            pool_size=8,
            max_overflow=8,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"timeout": 5, "server_settings": {"synchronous_commit": "on", "timezone": "UTC"}},
        )
        self.engine = self._engine.sync_engine

    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        with _translated():
            async with self._engine.connect() as connection:
                return await connection.run_sync(body)

    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        with _translated():
            async with self._engine.begin() as connection:
                return await connection.run_sync(body)

    async def close(self) -> None:
        await self._engine.dispose()


async def _whole(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Run `work` in a thread; who is cancelled meanwhile goes on once it is known that nothing of it still runs."""
    handed_over = threads.submit(work)
    working = asyncio.wrap_future(handed_over)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        if not handed_over.cancel():
            await asyncio.wait({working})
        raise


class _translated:  # noqa: N801  (reads as a verb at its uses)
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (IntegrityError, ProgrammingError)):
            return  # a defect of ours, not an outage
        if isinstance(error, (DBAPIError, PoolTimeoutError, OSError)):
            reason = str(getattr(error, "orig", error)).splitlines()[0]
            raise StorageUnavailableError(f"the database did not take the statement: {reason}") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin on its own: `_begin_sqlite` does, so that writers take the lock up front.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("receiver_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
