"""Adding many rows at once, at little more than what the database itself takes for them.

SQLAlchemy's own INSERT of many rows binds and converts value by value; of a delivery's transaction that was more than
half (60 of 110 us, 2026-11-28). Here values are converted by column, and a statement's text is made once.
"""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.tables.times import UtcDateTime, utc, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_ROWS = 2000
"""Rows written by one statement: on PostgreSQL others get their turn between two."""
_MOST_TOGETHER = 64
"""Rows in one statement of SQLite that says which were new: each number is a text, which the driver keeps prepared."""


def add_rows(tx: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows, all with values for the same columns. Raises as any statement does where one is there already."""
    is_sqlite = tx.dialect.name == "sqlite"
    for start in range(0, len(rows), _MOST_ROWS):
        names, columns = _by_column(tx.dialect, table, rows[start : start + _MOST_ROWS])
        if is_sqlite:
            tx.exec_driver_sql(_sqlite_insert(table, names, 1), list(zip(*columns, strict=True)))
        else:
            tx.exec_driver_sql(_postgres_insert(tx.dialect, table, names), tuple(columns))


def add_new(
    tx: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    asked: sa.ScalarSelect[Any] | None = None,
) -> dict[Any, Any]:
    """Add those of the rows whose `key` is not there yet, in order.

    Returns the keys of those that were added, each with the answer to what was `asked` with it.
    """
    returned = key if asked is None else f"{key}, {_text(asked, tx.dialect)}"
    is_sqlite = tx.dialect.name == "sqlite"
    most = _MOST_TOGETHER if is_sqlite else _MOST_ROWS
    new: dict[Any, Any] = {}
    for start in range(0, len(rows), most):
        piece = rows[start : start + most]
        names, columns = _by_column(tx.dialect, table, piece)
        if is_sqlite:
            insert = _sqlite_insert(table, names, len(piece), key, returned)
            values = tuple(chain.from_iterable(zip(*columns, strict=True)))
        else:
            insert = _postgres_insert(tx.dialect, table, names, key, returned)
            values = tuple(columns)
        new.update((row[0], row[-1] if asked is not None else None) for row in tx.exec_driver_sql(insert, values))
    return new


def _by_column(
    dialect: sa.Dialect, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the names of the rows' columns, and the values of each as the driver takes them."""
    names = tuple(rows[0])
    columns = [[row[name] for row in rows] for name in names]
    for position, convert in _converters(table, names, is_sqlite=dialect.name == "sqlite"):
        columns[position] = [None if value is None else convert(value) for value in columns[position]]
    return names, columns


@lru_cache
def _converters(table: sa.Table, names: tuple[str, ...], *, is_sqlite: bool) -> list[tuple[int, Callable[[Any], Any]]]:
    kinds: dict[type, Callable[[Any], Any]] = {UtcDateTime: utc_text if is_sqlite else utc, sa.JSON: json.dumps}
    types = [type(table.c[name].type) for name in names]
    return [(position, kinds[kind]) for position, kind in enumerate(types) if kind in kinds]


@lru_cache(maxsize=1024)
def _sqlite_insert(
    table: sa.Table, names: tuple[str, ...], count: int, key: str | None = None, returned: str | None = None
) -> str:
    """Return an INSERT of so many rows.

    OR FAIL, since without it SQLite notes how to take a statement back alone, which costs three times the rest of it;
    here a statement that fails takes the transaction with it.
    """
    row = f"({', '.join('?' * len(names))})"
    insert = f"INSERT OR FAIL INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * count)}"  # noqa: S608  (names of the schema)
    return insert + _unless_known(key, returned)


@lru_cache
def _postgres_insert(
    dialect: sa.Dialect,
    table: sa.Table,
    names: tuple[str, ...],
    key: str | None = None,
    returned: str | None = None,
) -> str:
    """Return an INSERT of any number of rows, whose values come as an array a column."""
    types = [table.c[name].type for name in names]
    arrays = [
        f"${number}::{'text' if isinstance(kind, sa.JSON) else kind.compile(dialect)}[]"
        for number, kind in enumerate(types, 1)
    ]
    values = [f"{name}::json" if isinstance(kind, sa.JSON) else name for name, kind in zip(names, types, strict=True)]
    insert = (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(values)} "  # noqa: S608  (as above)
        f"FROM unnest({', '.join(arrays)}) AS given ({', '.join(names)})"
    )
    return insert + _unless_known(key, returned)


def _unless_known(key: str | None, returned: str | None) -> str:
    return f" ON CONFLICT ({key}) DO NOTHING RETURNING {returned}" if key else ""


@lru_cache
def _text(asked: sa.ScalarSelect[Any], dialect: sa.Dialect) -> str:
    return str(asked.compile(dialect=dialect))
