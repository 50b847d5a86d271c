"""What a transaction is here: a plain function of a connection, run whole, on whichever database."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from receiver.errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

MISSING_RIGHT = "42501"
"""PostgreSQL's `insufficient_privilege`: once the right is granted, the same statement is good."""
T = TypeVar("T")


class Database(ABC):
    """Transactions on one database; failures of the database itself surface as `StorageUnavailableError`."""

    is_sqlite: bool
    engine: sa.Engine
    insert: Callable[[sa.Table], Any]
    """An INSERT of the database's own dialect, which knows ON CONFLICT."""

    @abstractmethod
    async def read(self, body: Callable[[sa.Connection], T]) -> T:
        """Run `body` in a read transaction: one consistent view until it returns."""

    @abstractmethod
    async def write(self, body: Callable[[sa.Connection], T]) -> T:
        """Run `body` in a write transaction and commit it durably; what `body` raises rolls it back.

        `body` may be run a second time, after a first of which nothing was kept. Cancelled, this goes on once it is
        known that nothing of it still runs; it may have been committed. Raises `StorageUnavailableError` when the
        database is down, locked or full; if that comes out of the commit, the outcome is unknown and the same write
        must be safe to send again.
        """

    async def clear_log(self) -> bool:
        """Have the log of writes forget what was overwritten, where this process can; tell whether it does."""
        return False

    @abstractmethod
    async def close(self) -> None:
        """Close every connection; no transaction may run."""


@contextmanager
def outages_told() -> Iterator[None]:
    """Turn what says that the database is away into `StorageUnavailableError`; defects of ours stay as they are."""
    try:
        yield
    except IntegrityError:
        raise
    except ProgrammingError as e:
        if getattr(e.orig, "sqlstate", None) != MISSING_RIGHT:
            raise
        raise _unavailable(e) from e
    except (DBAPIError, PoolTimeoutError, OSError) as e:
        raise _unavailable(e) from e


def _unavailable(error: DBAPIError | PoolTimeoutError | OSError) -> StorageUnavailableError:
    told = error.orig if isinstance(error, DBAPIError) else error
    reason = str(told).splitlines()[0].rpartition("'>: ")[2]  # what SQLAlchemy puts before an asyncpg error's own words
    return StorageUnavailableError(
        f"the database did not take the statement: {reason}",
        reason=reason,
        code=getattr(told, "sqlstate", None) or getattr(told, "sqlite_errorname", None),
    )


def own_instance(error: BaseException) -> BaseException:
    """Make a waiter's own instance of an outage: raised in several tasks, one would gather all their tracebacks."""
    if not isinstance(error, StorageUnavailableError):
        return error
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own
