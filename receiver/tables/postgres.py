"""Transactions on PostgreSQL, through SQLAlchemy's bridge to its asyncio driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine

from receiver.tables.database import Database, outages_told

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

T = TypeVar("T")


class PostgresDatabase(Database):
    """A server, shared by any number of processes."""

    is_sqlite = False
    insert = staticmethod(postgresql.insert)

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
        # READ COMMITTED would show each statement of a body another state of the rows
        self._one_view = self._engine.execution_options(isolation_level="REPEATABLE READ")

    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.read`."""
        with outages_told():
            async with self._one_view.connect() as connection:
                return await connection.run_sync(body)

    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.write`."""
        with outages_told():
            async with self._engine.begin() as connection:
                return await connection.run_sync(body)

    async def close(self) -> None:
        await self._engine.dispose()
