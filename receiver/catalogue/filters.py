"""What the listing of recordings may be narrowed by: one entry a filter, from which every surface takes its part.

An entry says how the parameter is called, what its text stands for, and which rows match. From the same entry come the
option of the command line and the field of the page's form, so no surface can be forgotten.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa

from receiver.catalogue import kinds, words
from receiver.catalogue.order import COLUMNS, HAS_VALUE, OF_ANOTHER_COLUMN
from receiver.catalogue.ways import Way, by_column, by_token, has_token
from receiver.records import Fixity, State
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the commands that list recordings."""

    flag: str
    help: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form above the page's list."""

    label: str
    placeholder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Generic[T]):
    """`option` is None where commands do not offer it, `field` where the page's form does not show it.

    The page keeps what its form does not show, unseen, from one page of the list to the next. `ways` are the ways
    in that indexes offer to the rows; `bounds` names what is compared where the filter bounds what can be sorted by.
    """

    name: str
    kind: kinds.ValueKind[T]
    clause: Callable[[T], sa.ColumnElement[bool]]
    ways: Callable[[sa.Connection, T], list[Way]] = lambda _tx, _value: []
    bounds: str | None = None
    option: Option | None = None
    field: Field | None = None

    def __call__(self, value: T) -> Condition:
        """Return the condition that recordings match this filter with this value."""
        return Condition(self, value)

    def read(self, texts: Sequence[str]) -> Condition:
        """Return the condition that a parameter's texts stand for; raises `InvalidQueryError`."""
        return self(self.kind.read(self.name, texts))


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter with the value that was asked for."""

    filter: Filter[Any]
    value: Any

    def clause(self) -> sa.ColumnElement[bool]:
        """Return the SQL condition, the value a bound parameter."""
        return self.filter.clause(self.value)

    def ways(self, tx: sa.Connection) -> list[Way]:
        """Return the ways in to the rows that match, each of which leads to all of them."""
        return self.filter.ways(tx, self.value)


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions of a listing, all of which must hold."""

    conditions: tuple[Condition, ...] = ()

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """Return the SQL conditions."""
        return [condition.clause() for condition in self.conditions]


_COMPARED: dict[str, Callable[[Any, Any], sa.ColumnElement[bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def _bounds(
    name: str, kind: kinds.ValueKind[T], *, options: Mapping[str, Option], fields: Mapping[str, Field]
) -> Iterator[Filter[T]]:
    """Make the four filters that bound what can be sorted by; a row without a value matches none of them."""

    def bounded_by(compare: Callable[[Any, Any], sa.ColumnElement[bool]]) -> Callable[[T], sa.ColumnElement[bool]]:
        if name in OF_ANOTHER_COLUMN:
            return lambda value: sa.and_(HAS_VALUE[name], compare(COLUMNS[name], value))
        return lambda value: compare(COLUMNS[name], value)

    for sign, compare in _COMPARED.items():
        yield Filter(
            name=f"{name}[{sign}]",
            kind=kind,
            clause=bounded_by(compare),
            bounds=name,
            option=options.get(sign),
            field=fields.get(sign),
        )


def _equal(
    column: sa.Column[Any], rank: int
) -> tuple[Callable[[Any], sa.ColumnElement[bool]], Callable[[sa.Connection, Any], list[Way]]]:
    """Return clause and ways of a column with an index of its own."""
    return lambda value: column == value, lambda _tx, value: [by_column(rank, column == value)]


def _pieces(asked: Sequence[str]) -> list[words.Piece]:
    return list(dict.fromkeys(piece for word in asked for piece in words.pieces(word)))


def _has_words(asked: Sequence[str]) -> sa.ColumnElement[bool]:
    """Match words from their beginning; one without letters and digits is passed over, unless there is no other."""
    pieces = _pieces(asked)
    if asked and not pieces:
        return sa.false()
    return sa.and_(sa.true(), *(has_token(piece) for piece in pieces))


_HELD: sa.ColumnElement[bool] = sa.literal_column("recordings.hold")
"""As the partial index has it: SQLite is not told that `hold = 1` is the same."""
_DUE = recordings.c.due_since.is_not(None)
_INCOMPLETE = recordings.c.incomplete.is_not(None)
_is_meeting, _by_meeting = _equal(recordings.c.meeting_id, 1)
_is_host, _by_host = _equal(recordings.c.host_id, 2)
_is_code, _by_code = _equal(recordings.c.error_code, 4)
_is_type, _by_type = _equal(recordings.c.content_type, 7)
_is_found, _by_found = _equal(recordings.c.fixity, 5)

STATE = Filter(
    name="state",
    kind=kinds.some_of({state.value: state for state in State}),
    clause=recordings.c.state.in_,
    ways=lambda _tx, states: [by_column(6, *(recordings.c.state == one for one in states))],
    option=Option("--state", "May be repeated."),
    field=None,  # the page has tabs for it
)
MEETING_ID = Filter(
    name="meeting_id",
    kind=kinds.ID,
    clause=_is_meeting,
    ways=_by_meeting,
    option=Option("--meeting-id", "Recordings of this meeting."),
    field=Field("Meeting id"),
)
HOST_ID = Filter(
    name="host_id",
    kind=kinds.USER_ID,
    clause=_is_host,
    ways=_by_host,
    option=Option("--host-id", "Recordings of meetings of this host."),
    field=Field("Host id"),
)
PARTICIPANT_ID = Filter(
    name="participant_id",
    kind=kinds.USER_ID,
    clause=lambda user_id: has_token(words.participant(user_id)),
    ways=lambda tx, user_id: [by_token(tx, words.participant(user_id), 2)],
    option=Option("--participant-id", "Recordings in which this user took part."),
    field=None,
)
WORDS = Filter(
    name="q",
    kind=kinds.WORDS,
    clause=_has_words,
    ways=lambda tx, asked: [by_token(tx, piece, 3) for piece in _pieces(asked)],
    option=Option("--q", "Words in the meeting's name, the host's name or login, or an e-mail of host or attendees."),
    field=Field("Search", placeholder="Meeting, host, login or e-mail"),
)
INCOMPLETE = Filter(
    name="incomplete",
    kind=kinds.one_of({"true": True, "false": False}),
    clause=lambda wanted: _INCOMPLETE if wanted else recordings.c.incomplete.is_(None),
    ways=lambda _tx, wanted: [by_column(5, _INCOMPLETE)] if wanted else [],
    option=Option("--incomplete", "Recordings whose file is cut, or cannot be played."),
    field=Field("Incomplete"),
)
ATTENDEE = Filter(
    name="attendee",
    kind=kinds.PERSON,
    clause=lambda who: has_token(words.attendee(who)),
    ways=lambda tx, who: [by_token(tx, words.attendee(who), 2)],
    option=Option("--attendee", "Recordings of meetings to which this user id or e-mail was invited."),
    field=Field("Attendee", placeholder="User id or e-mail"),
)
CONTENT_TYPE = Filter(
    name="content_type",
    kind=kinds.CONTENT_TYPE,
    clause=_is_type,
    ways=_by_type,
    option=Option("--content-type", "Archived files of this kind: video/mp4."),
    field=Field("Content type", placeholder="video/mp4"),
)
ERROR_CODE = Filter(
    name="error_code",
    kind=kinds.CODE,
    clause=_is_code,
    ways=_by_code,
    option=Option("--error-code", "Recordings whose last run ended with this code."),
    field=Field("Error code"),
)
HOLD = Filter(
    name="hold",
    kind=kinds.one_of({"true": True, "false": False}),
    clause=lambda wanted: _HELD if wanted else sa.not_(recordings.c.hold),
    ways=lambda _tx, wanted: [by_column(5, _HELD)] if wanted else [],
    option=Option("--hold", "Recordings on hold, or not."),
    field=Field("On hold"),
)
DUE = Filter(
    name="due",
    kind=kinds.one_of({"true": True, "false": False}),
    clause=lambda wanted: _DUE if wanted else recordings.c.due_since.is_(None),
    ways=lambda _tx, wanted: [by_column(5, _DUE)] if wanted else [],
    option=Option("--due", "Recordings that retention is about to erase, or not."),
    field=Field("Due to be erased"),
)
FIXITY = Filter(
    name="fixity",
    kind=kinds.one_of({found.value: found for found in Fixity}),
    clause=_is_found,
    ways=_by_found,
    option=Option("--fixity", "Archived recordings whose object was found so when it was last read again."),
    field=Field("Fixity"),
)

FILTERS: tuple[Filter[Any], ...] = (
    STATE,
    MEETING_ID,
    HOST_ID,
    PARTICIPANT_ID,
    WORDS,
    INCOMPLETE,
    ATTENDEE,
    CONTENT_TYPE,
    ERROR_CODE,
    HOLD,
    DUE,
    FIXITY,
    *_bounds(
        "created_at",
        kinds.TIME,
        options={
            "gte": Option("--since", "Created at this time or later: 2026-01-31, or an age: 30d."),
            "lt": Option("--until", "Created before this time."),
        },
        fields={"gte": Field("From day (UTC)"), "lt": Field("Before day (UTC)")},
    ),
    *_bounds("archived_at", kinds.TIME, options={}, fields={}),
    *_bounds("start_date", kinds.TIME, options={}, fields={}),
    *_bounds(
        "size_bytes",
        kinds.BYTES,
        options={
            "gte": Option("--size-from", "Archived files of so many bytes or more."),
            "lte": Option("--size-to", "Archived files of so many bytes or fewer."),
        },
        fields={"gte": Field("Bytes from"), "lte": Field("Bytes to")},
    ),
    *_bounds(
        "duration_s",
        kinds.SECONDS,
        options={
            "gte": Option("--duration-from", "Recordings that last so many seconds or longer."),
            "lte": Option("--duration-to", "Recordings that last so many seconds or less."),
        },
        fields={"gte": Field("Seconds from"), "lte": Field("Seconds to")},
    ),
)
