"""Reading and writing whole tables: rows as the driver has them, with no statement and no record for each."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.tables.times import UtcDateTime, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BATCH_ROWS = 2000
_BATCH_WIDE_ROWS = 16
"""Rows held at once of a table whose rows may be a megabyte each, such as the deliveries' bodies."""
_TIME_CHARS = len("2026-11-22 12:00:00.000000")
Row = tuple[Any, ...]


def read_rows(connection: sa.Connection, table: sa.Table) -> Iterator[list[Row]]:
    """Yield a table's rows as SQLite stores them, whichever database holds them: times and JSON text, flags 0 or 1."""
    is_wide = any(isinstance(column.type, (sa.LargeBinary, sa.JSON)) for column in table.columns)
    size = _BATCH_WIDE_ROWS if is_wide else _BATCH_ROWS
    quote = connection.dialect.identifier_preparer
    columns = ", ".join(quote.format_column(column) for column in table.columns)
    plain = _plain(table, is_sqlite=connection.dialect.name == "sqlite")
    query = f"SELECT {columns} FROM {quote.format_table(table)}"  # noqa: S608  (quoted names of the schema)
    with connection.execute(sa.text(query).execution_options(yield_per=size)) as result:
        for rows in result.partitions(size):
            yield [_converted(tuple(row), plain) for row in rows]


def write_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Add rows that `read_rows` yielded."""
    names = [column.name for column in table.columns]
    if connection.dialect.name == "sqlite":
        quote = connection.dialect.identifier_preparer
        columns = ", ".join(map(quote.quote, names))
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO {quote.format_table(table)} ({columns}) VALUES ({marks})"  # noqa: S608  (as above)
        connection.exec_driver_sql(insert, list(rows))
        return
    rich = _rich(table)
    records = [_converted(row, rich) for row in rows]
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda asyncpg: asyncpg.copy_records_to_table(table.name, records=records, columns=names))


@contextmanager
def unindexed(connection: sa.Connection, tables: Sequence[sa.Table]) -> Iterator[None]:
    """Drop the indexes and keys of empty PostgreSQL tables meanwhile: built whole afterwards, they cost a third."""
    if connection.dialect.name == "sqlite":
        yield
        return
    names = [table.name for table in tables]
    keys = connection.execute(_KEYS, {"names": names}).all()
    indexes = connection.execute(_INDEXES, {"names": names}).all()
    for key in keys:
        connection.exec_driver_sql(f'ALTER TABLE {key.relation} DROP CONSTRAINT "{key.name}"')
    for index in indexes:
        connection.exec_driver_sql(f"DROP INDEX {index.name}")
    yield
    connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
    for index in indexes:
        connection.exec_driver_sql(index.definition)
    for key in reversed(keys):
        connection.exec_driver_sql(f'ALTER TABLE {key.relation} ADD CONSTRAINT "{key.name}" {key.definition}')


_KEYS = sa.text(
    "SELECT conrelid::regclass::text AS relation, conname AS name, pg_get_constraintdef(oid) AS definition "
    "FROM pg_constraint WHERE contype IN ('f', 'p', 'u') AND conrelid IN (SELECT to_regclass(n) FROM unnest(:names) n) "
    "ORDER BY contype"
).bindparams(sa.bindparam("names", type_=sa.ARRAY(sa.Text)))
"""Foreign keys first: each needs the key that it refers to."""
_INDEXES = sa.text(
    "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index "
    "WHERE indrelid IN (SELECT to_regclass(n) FROM unnest(:names) n) "
    "AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)"
).bindparams(sa.bindparam("names", type_=sa.ARRAY(sa.Text)))


def _converted(row: Row, converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> Row:
    if not converters:
        return row
    values = list(row)
    for position, convert in converters:
        if values[position] is not None:
            values[position] = convert(values[position])
    return tuple(values)


def _plain(table: sa.Table, *, is_sqlite: bool) -> list[tuple[int, Callable[[Any], Any]]]:
    kinds: dict[type, Callable[[Any], Any]] = {
        UtcDateTime: plain_time,
        sa.Boolean: int,
        sa.JSON: (lambda text: plain_json(json.loads(text))) if is_sqlite else plain_json,
    }
    return [
        (position, kinds[type(column.type)])
        for position, column in enumerate(table.columns)
        if type(column.type) in kinds
    ]


def _rich(table: sa.Table) -> list[tuple[int, Callable[[Any], Any]]]:
    return [
        (position, _rich_time if isinstance(column.type, UtcDateTime) else bool)
        for position, column in enumerate(table.columns)
        if isinstance(column.type, (UtcDateTime, sa.Boolean))
    ]


def plain_time(value: datetime | str) -> str:
    """Write a time as SQLite holds it, in UTC to the microsecond."""
    if isinstance(value, str):
        if len(value) == _TIME_CHARS:
            return value
        value = datetime.fromisoformat(value).replace(tzinfo=UTC)
    return utc_text(value)


def plain_json(value: Any) -> str:
    """Write JSON so that equal values are written alike."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _rich_time(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)
