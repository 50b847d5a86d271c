"""What a listing may be narrowed and ordered by, and its keyset cursor."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import InvalidQueryError
from receiver.tables import participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.records import MeetingId, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = _EPOCH - timedelta(days=1)
_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "created_at": recordings.c.created_at,
    "archived_at": recordings.c.archived_at,
    "start_date": recordings.c.meeting_start_at,
}
SORTS = frozenset(sign + name for name in _COLUMNS for sign in ("", "-"))
_MAX_CURSOR_CHARS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit on a time: `field` of created_at, archived_at, start_date; `operator` of gt, gte, lt, lte."""

    field: str
    operator: str
    value: datetime

    def clause(self) -> sa.ColumnElement[bool]:
        """Return the SQL condition; a row without the time never matches."""
        column = _COLUMNS[self.field]
        clauses = {
            "gt": column > self.value,
            "gte": column >= self.value,
            "lt": column < self.value,
            "lte": column <= self.value,
        }
        return clauses[self.operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions of a listing, all of which must hold. `words` match within meeting name, host name, login, e-mail."""

    states: tuple[State, ...] = ()
    meeting_id: MeetingId | None = None
    host_id: int | None = None
    participant_id: int | None = None
    words: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """Return the SQL conditions, every value a bound parameter."""
        found: list[sa.ColumnElement[bool]] = [bound.clause() for bound in self.bounds]
        if self.states:
            found.append(recordings.c.state.in_(self.states))
        if self.meeting_id is not None:
            found.append(recordings.c.meeting_id == self.meeting_id)
        if self.host_id is not None:
            found.append(recordings.c.host_id == self.host_id)
        if self.participant_id is not None:
            took_part = sa.select(participants.c.recording_id).where(participants.c.user_id == self.participant_id)
            found.append(recordings.c.id.in_(took_part))
        found += [recordings.c.search_text.contains(word.casefold(), autoescape=True) for word in self.words]
        return found


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


def write_cursor(key: bytes, listing: str, mark: tuple[datetime, str]) -> str:
    """Encode a place in a listing; signed, so that only cursors of ours are ever run."""
    text = json.dumps([listing, mark[0].isoformat(), mark[1]], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signature(key, text) + text).decode().rstrip("=")


def read_cursor(keys: Sequence[bytes], listing: str, cursor: str) -> tuple[datetime, str]:
    """Decode a cursor that one of `keys` signed; raises `InvalidQueryError` unless it is for this listing and sort."""
    try:
        if len(cursor) > _MAX_CURSOR_CHARS:
            raise ValueError(cursor)
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        signature, text = raw[:16], raw[16:]
        if not any(hmac.compare_digest(signature, _signature(key, text)) for key in keys):
            raise ValueError(cursor)
        given, at, row_id = json.loads(text)
        if given != listing:
            raise ValueError(given)
        return datetime.fromisoformat(at), row_id
    except ValueError as e:
        raise InvalidQueryError(
            "cursor= is not one that this listing gave out with the same sort", "start again without it"
        ) from e


def _signature(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key or b"unkeyed", text, "sha256")[:16]
