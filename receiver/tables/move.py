"""Moving the whole index into another database, in one transaction that ends with the proof that nothing changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.errors import ReceiverError, SchemaOutdatedError
from receiver.tables.bulk import read_rows, unindexed, write_rows
from receiver.tables.metadata import DERIVED, NOT_MOVED, metadata
from receiver.tables.postings import derive_postings
from receiver.tables.recording_tables import search_postings
from receiver.tables.schema import is_at_head, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from receiver.tables.bulk import Row
    from receiver.tables.database import Database
    from receiver.tables.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds: how many rows, and a digest over all of their values that no order of rows changes."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class MoveReport:
    """The moved tables, by name in the order in which they were copied; both sides were read back and agree."""

    tables: dict[str, Content]


async def move(source: SqliteDatabase, target: Database, progress: Callable[[str, int], None]) -> MoveReport:
    """Copy every row of `source` into `target`, prove both equal and commit; `progress` hears (table, rows so far).

    Nothing writes to the source meanwhile: its write lock is held. Killed or failed at any
    point, it leaves the target without a row. Raises `SchemaOutdatedError` for a source that is not at head, and
    `ReceiverError` for a target that holds rows or a table that is not the same on both sides.
    """
    if not await is_at_head(source):
        raise SchemaOutdatedError(
            "the database to move from is not at this release's schema",
            "run `receiver migrate` with RECEIVER_DATABASE_URL naming it, then move again",
        )
    await upgrade(target)
    if not await is_at_head(target):
        raise SchemaOutdatedError("the database to move to is newer than this release", "move with its release")

    def move_all(new: sa.Connection) -> MoveReport:
        with source.transaction(write=True) as old:
            _claim_empty(new, _moved())
            with unindexed(new, [*_moved(), search_postings]):
                held = {table: _copy(old, new, table, progress) for table in _moved()}
                derive_postings(new)
            return MoveReport({table.name: _proven(there, new, table) for table, there in held.items()})

    return await target.write(move_all)


def _moved() -> list[sa.Table]:
    """Return the tables in an order in which every row finds the rows that it refers to."""
    return [table for table in metadata.sorted_tables if not {NOT_MOVED, DERIVED} & table.info.keys()]


def _claim_empty(new: sa.Connection, tables: Sequence[sa.Table]) -> None:
    """Keep others from writing until the end, and raise `ReceiverError` unless every table is empty."""
    if new.dialect.name == "postgresql":  # SQLite's write transaction has locked the file already
        names = ", ".join(new.dialect.identifier_preparer.format_table(table) for table in tables)
        new.execute(sa.text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    for table in tables:
        if (new.execute(sa.select(sa.literal(1)).select_from(table).limit(1))).first() is not None:
            raise ReceiverError(
                f"the database to move to already has rows in {table.name}, and a move never mixes two indexes: "
                "name an empty database (if an earlier move was cut off at its very end, that one may be complete)"
            )


def _copy(old: sa.Connection, new: sa.Connection, table: sa.Table, progress: Callable[[str, int], None]) -> Content:
    """Copy a table and return what the source held, as it was read."""
    held = _Digest()
    for rows in read_rows(old, table):
        held.add(rows)
        write_rows(new, table, rows)
        progress(table.name, held.rows)
    _advance_sequence(new, table)
    return held.content()


def _advance_sequence(new: sa.Connection, table: sa.Table) -> None:
    """Let the next row's number follow the copied ones: PostgreSQL counts only those that it gave out itself."""
    column = table.autoincrement_column
    if column is None or new.dialect.name != "postgresql":
        return
    sequence = sa.func.pg_get_serial_sequence(new.dialect.identifier_preparer.format_table(table), column.name)
    highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
    new.execute(sa.select(sa.func.setval(sequence, highest, sa.false())))


def _proven(there: Content, new: sa.Connection, table: sa.Table) -> Content:
    here = content(new, table)
    if there != here:
        raise ReceiverError(
            f"{table.name} is not the same on both sides: {there.rows} rows, digest {there.digest} before, "
            f"{here.rows} rows, digest {here.digest} after",
            "nothing was moved: use the old database and report it",
        )
    return here


def content(connection: sa.Connection, table: sa.Table) -> Content:
    """Read a whole table and return what proves its content; equal on SQLite and PostgreSQL for equal rows."""
    held = _Digest()
    for rows in read_rows(connection, table):
        held.add(rows)
    return held.content()


class _Digest:
    """A sum, since the databases sort text differently; one row's digest cannot be undone by another's."""

    def __init__(self) -> None:
        self.rows = 0
        self._total = 0

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._total += int.from_bytes(hashlib.sha256(written(row)).digest())
        self.rows += len(rows)

    def content(self) -> Content:
        return Content(self.rows, f"{self._total % (1 << 256):064x}")


def written(row: Row) -> bytes:
    """Write a row so that no two are written alike: Python's own notation tells kinds, lengths and every digit."""
    return repr(row).encode()
