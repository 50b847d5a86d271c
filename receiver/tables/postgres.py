"""Transactions on PostgreSQL, through SQLAlchemy's bridge to its asyncio driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.util import greenlet_spawn

from receiver.tables.database import Database, outages_told

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_CONFLICTS = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: nothing was kept, and the transaction is to be run again (its manual, 13.5)."""
_TRIES = 4


class PostgresDatabase(Database):
    """A server, shared by any number of processes.

    `sqlalchemy.ext.asyncio` would put the same engine and bridge behind methods that are awaited one by one: with it
    comes the whole object mapper, 7 MB of each process, and a task and more changes of stacks for each transaction.
    """

    is_sqlite = False
    insert = staticmethod(postgresql.insert)

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            f"postgresql+asyncpg://{url.partition('://')[2]}",
            pool_size=8,
            max_overflow=8,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"timeout": 5, "server_settings": {"synchronous_commit": "on", "timezone": "UTC"}},
        )
        # READ COMMITTED would show each statement of a body another state of the rows
        self._one_view = self.engine.execution_options(isolation_level="REPEATABLE READ")

    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.read`."""

        def run() -> T:
            with self._one_view.connect() as connection:
                return body(connection)

        with outages_told():
            return await greenlet_spawn(run)

    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        """See `Database.write`."""

        def run(tries: int = _TRIES) -> T:
            try:
                with self.engine.begin() as connection:
                    return body(connection)
            except sa.exc.DBAPIError as e:
                if tries == 1 or getattr(e.orig, "sqlstate", None) not in _CONFLICTS:
                    raise
            return run(tries - 1)

        with outages_told():
            return await greenlet_spawn(run)

    async def close(self) -> None:
        await greenlet_spawn(self.engine.dispose)
