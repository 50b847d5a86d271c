"""What the listing of recordings may be narrowed by: one entry a filter, from which every surface takes its part.

An entry says how the parameter is called, what its text stands for, and which rows match. From the same entry come the
option of the command line and the field of the page's form, so no surface can be forgotten.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa

from receiver.catalogue import kinds
from receiver.records import Fixity, State
from receiver.tables import participants, recordings

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

    The page keeps what its form does not show, unseen, from one page of the list to the next.
    """

    name: str
    kind: kinds.ValueKind[T]
    clause: Callable[[T], sa.ColumnElement[bool]]
    option: Option | None
    field: Field | None

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
    name: str,
    kind: kinds.ValueKind[T],
    column: sa.ColumnElement[Any],
    *,
    options: Mapping[str, Option],
    fields: Mapping[str, Field],
) -> Iterator[Filter[T]]:
    """Make the four filters that bound a column; a row without a value matches none of them."""

    def bounded_by(compare: Callable[[Any, Any], sa.ColumnElement[bool]]) -> Callable[[T], sa.ColumnElement[bool]]:
        return lambda value: compare(column, value)

    for sign, compare in _COMPARED.items():
        yield Filter(
            name=f"{name}[{sign}]",
            kind=kind,
            clause=bounded_by(compare),
            option=options.get(sign),
            field=fields.get(sign),
        )


def _took_part(user_id: int) -> sa.ColumnElement[bool]:
    return recordings.c.id.in_(sa.select(participants.c.recording_id).where(participants.c.user_id == user_id))


def _has_words(words: Sequence[str]) -> sa.ColumnElement[bool]:
    """Match words within the meeting's name and the host's name, login and e-mail."""
    text = recordings.c.search_text
    return sa.and_(sa.true(), *(text.contains(word.casefold(), autoescape=True) for word in words))


STATE = Filter(
    name="state",
    kind=kinds.some_of({state.value: state for state in State}),
    clause=recordings.c.state.in_,
    option=Option("--state", "May be repeated."),
    field=None,  # the page has tabs for it
)
MEETING_ID = Filter(
    name="meeting_id",
    kind=kinds.ID,
    clause=lambda meeting_id: recordings.c.meeting_id == meeting_id,
    option=Option("--meeting-id", "Recordings of this meeting."),
    field=Field("Meeting id"),
)
HOST_ID = Filter(
    name="host_id",
    kind=kinds.USER_ID,
    clause=lambda user_id: recordings.c.host_id == user_id,
    option=Option("--host-id", "Recordings of meetings of this host."),
    field=Field("Host id"),
)
PARTICIPANT_ID = Filter(
    name="participant_id",
    kind=kinds.USER_ID,
    clause=_took_part,
    option=Option("--participant-id", "Recordings in which this user took part."),
    field=None,
)
WORDS = Filter(
    name="q",
    kind=kinds.WORDS,
    clause=_has_words,
    option=Option("--q", "Words in the meeting's name or the host's name, login or e-mail."),
    field=Field("Search", placeholder="Meeting, host, login or e-mail"),
)
INCOMPLETE = Filter(
    name="incomplete",
    kind=kinds.one_of({"true": True, "false": False}),
    clause=lambda wanted: recordings.c.incomplete.is_not(None) if wanted else recordings.c.incomplete.is_(None),
    option=Option("--incomplete", "Recordings whose file is cut, or cannot be played."),
    field=Field("Incomplete"),
)
FIXITY = Filter(
    name="fixity",
    kind=kinds.one_of({found.value: found for found in Fixity}),
    clause=lambda found: recordings.c.fixity == found,
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
    FIXITY,
    *_bounds(
        "created_at",
        kinds.TIME,
        recordings.c.created_at,
        options={
            "gte": Option("--since", "Created at this time or later: 2026-01-31, or an age: 30d."),
            "lt": Option("--until", "Created before this time."),
        },
        fields={"gte": Field("From day (UTC)"), "lt": Field("Before day (UTC)")},
    ),
    *_bounds("archived_at", kinds.TIME, recordings.c.archived_at, options={}, fields={}),
    *_bounds("start_date", kinds.TIME, recordings.c.meeting_start_at, options={}, fields={}),
)
