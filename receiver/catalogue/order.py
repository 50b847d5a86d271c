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

    Value = datetime | float

_NEVER = (datetime(1970, 1, 1, tzinfo=UTC) - timedelta(days=1)).isoformat()
"""How releases before this one marked a row without the value; its place among those was by id alone."""
COLUMNS: dict[str, sa.Column[Any]] = {
    "created_at": recordings.c.created_at,
    "archived_at": recordings.c.archived_at,
    "start_date": recordings.c.meeting_start_at,
    "size_bytes": recordings.c.size_bytes,
    "duration_s": recordings.c.duration_s,
}
HAS_VALUE: dict[str, sa.ColumnElement[bool]] = {
    "archived_at": recordings.c.archived_at.is_not(None),
    "start_date": recordings.c.meeting_start_at.is_not(None),
    # a run notes a size before the copy is proven: it counts once the recording is archived, and always has one then
    "size_bytes": recordings.c.archived_at.is_not(None),
    "duration_s": recordings.c.duration_s.is_not(None),
}
LACKS_VALUE: dict[str, sa.ColumnElement[bool]] = {
    name: (recordings.c.archived_at if name == "size_bytes" else COLUMNS[name]).is_(None) for name in HAS_VALUE
}
OF_ANOTHER_COLUMN = frozenset({"size_bytes"})
"""What counts as a value only where another column says so."""
SORTS = frozenset(sign + name for name in COLUMNS for sign in ("", "-"))
_MAX_CURSOR_CHARS = 512


@dataclass(frozen=True, slots=True)
class Mark:
    """The place of a row in a listing: its value there and its id; without a value, by `created_at`."""

    value: Value | None
    id: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A sort order; rows without the value come before every other, the last of them when descending.

    Among themselves these are in the order of `created_at`. Ids break every tie, so each row has one place.
    """

    sort: str

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidQueryError(f"sort={self.sort!r} is not known", f"choose one of {', '.join(sorted(SORTS))}")

    @property
    def name(self) -> str:
        """What is compared."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Tell whether the newest come first."""
        return self.sort.startswith("-")

    def by(self, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
        """Return the ORDER BY expressions of these columns."""
        return [c.desc() for c in columns] if self.descending else [c.asc() for c in columns]

    def after(
        self, value: sa.ColumnElement[Any], row_id: sa.ColumnElement[Any], mark: tuple[Value, str]
    ) -> sa.ColumnElement[bool]:
        """Return the condition for rows that come after `mark` in this order."""
        here = sa.tuple_(value, row_id)
        there = sa.tuple_(sa.literal(mark[0], value.type), sa.literal(mark[1], row_id.type))
        return here < there if self.descending else here > there


def write_cursor(keys: Sequence[bytes], listing: str, mark: Mark) -> str:
    """Encode a place in a listing; signed with the first of `keys`, so that only cursors of ours are ever run."""
    value = mark.value.isoformat() if isinstance(mark.value, datetime) else mark.value
    more = [] if mark.created_at is None else [mark.created_at.isoformat()]
    return signed.sign([value, mark.id, *more], keys=keys, purpose=_purpose(listing))


def read_cursor(keys: Sequence[bytes], listing: str, cursor: str) -> Mark:
    """Decode a cursor that one of `keys` signed; raises `InvalidQueryError` unless it is for this listing and sort."""
    found = signed.read(cursor, keys=keys, purpose=_purpose(listing)) if len(cursor) <= _MAX_CURSOR_CHARS else None
    if found is None:
        raise InvalidQueryError(
            "cursor= is not one that this listing gave out with the same sort", "start again without it"
        )
    value, row_id, *more = found
    if value is None or value == _NEVER:
        return Mark(None, row_id, datetime.fromisoformat(more[0]) if more else None)
    return Mark(datetime.fromisoformat(value) if isinstance(value, str) else value, row_id)


def _purpose(listing: str) -> bytes:
    return f"cursor\0{listing}".encode()
