"""Times as the tables hold them: aware datetimes in UTC outside, whatever sorts inside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def utc(value: datetime) -> datetime:
    """Turn an aware datetime to UTC; raises `ValueError` for a naive one, which is a defect."""
    if value.tzinfo is None:
        raise ValueError("a datetime without a time zone reached the database")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def utc_text(value: datetime) -> str:
    """Write a time as SQLite holds it: text without an offset, all of one length, so that it sorts."""
    return utc(value).isoformat(" ", "microseconds")[:26]


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


class _SqliteTime(sqlite.DATETIME):
    """How `UtcDateTime` lies in SQLite: the dialect's own way takes it apart and together in Python."""

    def bind_processor(self, dialect: Any) -> Any:
        del dialect
        return lambda value: None if value is None else utc_text(value)

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        del dialect, coltype
        return _from_text


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime on both databases; SQLite stores it as sortable text without an offset.

    What is read needs no conversion on PostgreSQL: its driver gives aware datetimes in UTC.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> sa.types.TypeEngine[Any]:
        """Return the type of the database's own."""
        if dialect.name == "sqlite":
            return _SqliteTime()  # type: ignore[no-untyped-call]
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Turn an aware datetime to UTC; a naive one is a defect."""
        del dialect
        return None if value is None else utc(value)
