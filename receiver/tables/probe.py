"""What a database says of itself before the service works on it: its server, its durability, this user's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.errors import ReceiverError, StorageUnavailableError
from receiver.tables.database import MISSING_RIGHT
from receiver.tables.metadata import NOT_MOVED, metadata

if TYPE_CHECKING:
    from receiver.tables.database import Database

_POSTGRESQL = ("server_version", "synchronous_commit", "fsync", "full_page_writes")
_SQLITE_SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}


class WriteRefusedError(ReceiverError):
    """This user may not change a table that the service writes to."""


class _TriedError(Exception):
    """Rolls the trial back."""

    def __init__(self, tables: int) -> None:
        self.tables = tables


async def durability(database: Database) -> dict[str, str]:
    """Return what durability rests on, as connections of this service have it, and a server's version."""
    return await database.read(_sqlite_durability if database.is_sqlite else _postgres_durability)


def _postgres_durability(tx: sa.Connection) -> dict[str, str]:
    shown = sa.select(*(sa.func.current_setting(name).label(name) for name in _POSTGRESQL))
    return {name: str(value) for name, value in tx.execute(shown).mappings().one().items()}


def _sqlite_durability(tx: sa.Connection) -> dict[str, str]:
    mode = tx.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    level = tx.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return {"journal_mode": str(mode), "synchronous": _SQLITE_SYNCHRONOUS.get(level, str(level))}


async def try_writing(database: Database) -> int:
    """Insert, update and delete no row in every table that the service writes to, roll back, and return their number.

    Raises `WriteRefusedError` where a right is missing, `StorageUnavailableError` where nobody may write now.
    """
    try:
        await database.write(_try_writing)
    except _TriedError as e:
        return e.tables
    except StorageUnavailableError as e:
        if e.code == MISSING_RIGHT:
            raise WriteRefusedError(e.reason) from e
        raise
    raise AssertionError  # pragma: no cover


def _try_writing(tx: sa.Connection) -> None:
    written = _written(tx)
    for table, column in written:
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",  # noqa: S608  (quoted names of the schema)
            f"UPDATE {table} SET {column} = {column} WHERE 1 = 0",  # noqa: S608
            f"DELETE FROM {table} WHERE 1 = 0",  # noqa: S608
        ):
            tx.exec_driver_sql(statement)
    raise _TriedError(len(written))


def _written(connection: sa.Connection) -> list[tuple[str, str]]:
    """Return the quoted names of the tables that the service writes to, each with its first column."""
    inspector, quote = sa.inspect(connection), connection.dialect.identifier_preparer.quote
    ours = {table.name for table in metadata.tables.values() if not table.info.get(NOT_MOVED)}
    return [
        (quote(name), quote(inspector.get_columns(name)[0]["name"]))
        for name in inspector.get_table_names()
        if name in ours or name.startswith("pgqueuer")
    ]
