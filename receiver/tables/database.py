"""How a connection is opened, made durable and given back, on SQLite (one writer) and PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from receiver.errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BUSY_TIMEOUT_MS = 5000
"""Longest wait for another process's write (a command beside the service) before the answer is "unavailable"."""


class Database:
    """Transactions on one database; failures of the database itself surface as `StorageUnavailableError`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer: queueing here is fair, its busy handler polls and is not
        self._writer: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a read transaction: one consistent view until the end of the block."""
        with _translated():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a write transaction; leaving the block commits durably, an exception rolls back.

        Raises `StorageUnavailableError` when the database is down, locked or full; if that comes out of the commit,
        the outcome is unknown and the same write must be safe to send again.
        """
        with _translated():
            async with self._writer, self.engine.connect() as pooled:
                connection = await pooled.execution_options(receiver_write=True)
                async with connection.begin():
                    yield connection

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


class _translated:  # noqa: N801  (reads as a verb at its uses)
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (IntegrityError, ProgrammingError)):
            return  # a defect of ours, not an outage
        if isinstance(error, (DBAPIError, PoolTimeoutError, OSError)):
            reason = str(getattr(error, "orig", error)).splitlines()[0]
            raise StorageUnavailableError(f"the database did not take the statement: {reason}") from error


def open_database(url: str) -> Database:
    """Make the `Database` for a `DATABASE_URL`; nothing is connected before the first transaction."""
    if url.startswith("sqlite"):
        engine = create_async_engine(
            url.replace("sqlite://", "sqlite+aiosqlite://", 1),
            pool_size=5,
            max_overflow=0,
            connect_args={"async_creator_fn": _connect_sqlite},
        )
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return Database(engine)
    rest = url.partition("://")[2]
    engine = create_async_engine(
        f"postgresql+asyncpg://{rest}",
        pool_size=8,
        max_overflow=8,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"timeout": 5, "server_settings": {"synchronous_commit": "on", "timezone": "UTC"}},
    )
    return Database(engine)


async def _connect_sqlite(*arguments: Any, **options: Any) -> aiosqlite.Connection:
    connection = aiosqlite.connect(*arguments, **options)
    thread = connection._thread  # noqa: SLF001  (SQLAlchemy's own way to the thread, which has no public name)
    thread.daemon = True
    try:
        return await connection
    except sqlite3.Error:
        # its thread still has to say goodbye to this loop; a loop closed before that earns a traceback on stderr
        await asyncio.to_thread(thread.join)
        raise


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
