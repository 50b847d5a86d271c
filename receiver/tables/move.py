"""Moving the whole index into another database, in one transaction that ends with the proof that nothing changed."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import ReceiverError, SchemaOutdatedError
from receiver.tables.metadata import DERIVED, NOT_MOVED, metadata
from receiver.tables.postings import derive_postings
from receiver.tables.schema import is_at_head, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from receiver.tables.database import Database
    from receiver.tables.sqlite import SqliteDatabase

_BATCH_ROWS = 1000
_BATCH_WIDE_ROWS = 16
"""Rows held at once of a table whose rows may be a megabyte each, such as the deliveries' bodies."""


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
            for table in _moved():
                _copy(old, new, table, progress)
            derive_postings(new)
            return MoveReport({table.name: _proven(old, new, table) for table in _moved()})

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


def _copy(old: sa.Connection, new: sa.Connection, table: sa.Table, progress: Callable[[str, int], None]) -> None:
    done = 0
    for rows in _batches(old, table):
        new.execute(sa.insert(table), [dict(row._mapping) for row in rows])  # noqa: SLF001  (a public name)
        done += len(rows)
        progress(table.name, done)
    _advance_sequence(new, table)


def _advance_sequence(new: sa.Connection, table: sa.Table) -> None:
    """Let the next row's number follow the copied ones: PostgreSQL counts only those that it gave out itself."""
    column = table.autoincrement_column
    if column is None or new.dialect.name != "postgresql":
        return
    sequence = sa.func.pg_get_serial_sequence(new.dialect.identifier_preparer.format_table(table), column.name)
    highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
    new.execute(sa.select(sa.func.setval(sequence, highest, sa.false())))


def _proven(old: sa.Connection, new: sa.Connection, table: sa.Table) -> Content:
    there, here = content(old, table), content(new, table)
    if there != here:
        raise ReceiverError(
            f"{table.name} is not the same on both sides: {there.rows} rows, digest {there.digest} before, "
            f"{here.rows} rows, digest {here.digest} after",
            "nothing was moved: use the old database and report it",
        )
    return here


def content(connection: sa.Connection, table: sa.Table) -> Content:
    """Read a whole table and return what proves its content; equal on SQLite and PostgreSQL for equal rows."""
    count = total = 0
    for rows in _batches(connection, table):
        for row in rows:
            # a sum, since the databases sort text differently; one row's digest cannot be undone by another's
            total += int.from_bytes(hashlib.sha256(b"".join(_encoded(value) for value in row)).digest())
        count += len(rows)
    return Content(count, f"{total % (1 << 256):064x}")


def _batches(connection: sa.Connection, table: sa.Table) -> Iterator[Sequence[sa.Row[Any]]]:
    is_wide = any(isinstance(column.type, (sa.LargeBinary, sa.JSON)) for column in table.columns)
    size = _BATCH_WIDE_ROWS if is_wide else _BATCH_ROWS
    with connection.execute(sa.select(table).execution_options(yield_per=size)) as result:
        yield from result.partitions()


def _encoded(value: Any) -> bytes:
    """Write a value as its kind, its length and its exact content, so that no two rows are written alike."""
    match value:
        case None:
            kind, data = b"n", b""
        case bool():
            kind, data = b"t", bytes([value])
        case int():
            kind, data = b"i", str(value).encode()
        case float():
            kind, data = b"f", struct.pack(">d", value)
        case str():
            kind, data = b"s", value.encode()
        case bytes():
            kind, data = b"b", value
        case datetime():
            kind, data = b"d", value.astimezone(UTC).isoformat(timespec="microseconds").encode()
        case _:
            kind, data = b"j", json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return kind + len(data).to_bytes(8) + data
