"""What the operators' listing may be ordered by, and its signed keyset cursor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver import signed
from receiver.errors import InvalidQueryError
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEVER = datetime(1970, 1, 1, tzinfo=UTC) - timedelta(days=1)
_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "created_at": recordings.c.created_at,
    "archived_at": recordings.c.archived_at,
    "start_date": recordings.c.meeting_start_at,
}
SORTS = frozenset(sign + name for name in _COLUMNS for sign in ("", "-"))
_MAX_CURSOR_CHARS = 512


@dataclass(frozen=True, slots=True)
class Order:
    """A sort order and its place marks; a missing time sorts before every other."""

    sort: str

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidQueryError(f"sort={self.sort!r} is not known", f"choose one of {', '.join(sorted(SORTS))}")

    @property
    def descending(self) -> bool:
        """Tell whether the newest come first."""
        return self.sort.startswith("-")

    def _column(self) -> sa.ColumnElement[Any]:
        column = _COLUMNS[self.sort.removeprefix("-")]
        # created_at is never null: coalescing it would keep its index from being used
        return column if self.sort.endswith("created_at") else sa.func.coalesce(column, sa.literal(_NEVER, column.type))

    def by(self) -> list[sa.ColumnElement[Any]]:
        """Return the ORDER BY expressions; the id breaks ties, so every row has one place."""
        pair = (self._column(), recordings.c.id)
        return [e.desc() for e in pair] if self.descending else [e.asc() for e in pair]

    def after(self, mark: tuple[datetime, str]) -> sa.ColumnElement[bool]:
        """Return the condition for rows that come after `mark` in this order."""
        value = sa.literal(mark[0], recordings.c.created_at.type)
        here = sa.tuple_(self._column(), recordings.c.id)
        there = sa.tuple_(value, sa.literal(mark[1]))
        return here < there if self.descending else here > there

    def mark(self, row: sa.Row[Any]) -> tuple[datetime, str]:
        """Return the place of a row that this order's query yielded."""
        value = row._mapping[_COLUMNS[self.sort.removeprefix("-")]]  # noqa: SLF001  (SQLAlchemy's public name)
        return value or _NEVER, row.id


def write_cursor(keys: Sequence[bytes], listing: str, mark: tuple[datetime, str]) -> str:
    """Encode a place in a listing; signed with the first of `keys`, so that only cursors of ours are ever run."""
    return signed.sign([mark[0].isoformat(), mark[1]], keys=keys, purpose=_purpose(listing))


def read_cursor(keys: Sequence[bytes], listing: str, cursor: str) -> tuple[datetime, str]:
    """Decode a cursor that one of `keys` signed; raises `InvalidQueryError` unless it is for this listing and sort."""
    mark = signed.read(cursor, keys=keys, purpose=_purpose(listing)) if len(cursor) <= _MAX_CURSOR_CHARS else None
    if mark is None:
        raise InvalidQueryError(
            "cursor= is not one that this listing gave out with the same sort", "start again without it"
        )
    return datetime.fromisoformat(mark[0]), mark[1]


def _purpose(listing: str) -> bytes:
    return f"cursor\0{listing}".encode()
