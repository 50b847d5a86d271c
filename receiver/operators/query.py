"""From a query string to filters: every parameter is known, single unless said otherwise, and within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from receiver.catalogue import FILTERS, Filters, HoldsQuery, LogQuery
from receiver.catalogue.filters import MEETING_ID
from receiver.catalogue.kinds import ID, PERSON, TIME, nearest, one_of, shown
from receiver.catalogue.kinds import text as text_of
from receiver.errors import InvalidQueryError
from receiver.records import DeliveryStatus, HoldScope, RecordingId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from receiver.catalogue.kinds import ValueKind
    from receiver.records import MeetingId

T = TypeVar("T")
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_FILTERS = tuple(one.name for one in FILTERS)
_RECORDINGS = (*_FILTERS, "sort", "limit", "cursor")
_EXPORT = (*_FILTERS, "sort", "format")
_LISTS = frozenset(one.name for one in FILTERS if one.kind.is_list)
_MEETING = ("limit", "cursor")
_DELIVERIES = ("status", "limit", "cursor")
_LOG = ("actor", "action", "recording_id", "since", "until", "limit", "cursor")
_HOLDS = ("scope", "value", "recording_id", "limit", "cursor")
_SCOPE = one_of({scope.value: scope for scope in HoldScope})
_ACTION = text_of(lambda given: re.fullmatch(r"[a-z_]{1,64}", given) is not None, "an action, such as url_issued")
_ACTOR = text_of(lambda given: 0 < len(given) <= 128, "a name: 1 to 128 characters")
_FIRST = "-created_at"
_STATUS = one_of({status.value: status for status in DeliveryStatus})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsQuery:
    """A question to the recordings listing; the catalogue checks `sort` and `cursor`."""

    filters: Filters
    sort: str
    limit: int
    cursor: str | None


class ExportFormat(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    NDJSON = "ndjson"


_FORMAT = one_of({one.value: one for one in ExportFormat})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportQuery:
    """A question for all recordings that match; the catalogue checks `sort`."""

    filters: Filters
    names: tuple[str, ...]
    """Of the filters that were given."""
    sort: str
    format: ExportFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesQuery:
    """A question to the deliveries listing; the catalogue checks `cursor`."""

    status: DeliveryStatus | None
    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActsQuery:
    """A question to the log; the catalogue checks `cursor`."""

    asked: LogQuery
    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingHoldsQuery:
    """A question to the listing of holds; the catalogue checks `cursor`."""

    asked: HoldsQuery
    limit: int
    cursor: str | None


def recordings_query(pairs: Iterable[tuple[str, str]]) -> RecordingsQuery:
    """Read the recordings listing's parameters; raises `InvalidQueryError` that names the parameter and the remedy."""
    given = _collect(pairs, known=_RECORDINGS, repeatable=_LISTS)
    one = {name: values[0] for name, values in given.items()}
    return RecordingsQuery(
        filters=_filters(given),
        sort=one.get("sort", _FIRST),
        limit=_limit(one.get("limit")),
        cursor=one.get("cursor"),
    )


def meeting_query(meeting_id: MeetingId, pairs: Iterable[tuple[str, str]]) -> RecordingsQuery:
    """Read the parameters of one meeting's recordings, newest first; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_MEETING, repeatable=())
    one = {name: values[0] for name, values in given.items()}
    return RecordingsQuery(
        filters=Filters((MEETING_ID(meeting_id),)),
        sort=_FIRST,
        limit=_limit(one.get("limit")),
        cursor=one.get("cursor"),
    )


def export_query(pairs: Iterable[tuple[str, str]]) -> ExportQuery:
    """Read the parameters of an export; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_EXPORT, repeatable=_LISTS)
    if "format" not in given:
        raise InvalidQueryError("format= is missing", f"choose from {', '.join(ExportFormat)}")
    return ExportQuery(
        filters=_filters(given),
        names=tuple(name for name in _FILTERS if name in given),
        sort=given.get("sort", [_FIRST])[0],
        format=_FORMAT.read("format", given["format"]),
    )


def deliveries_query(pairs: Iterable[tuple[str, str]]) -> DeliveriesQuery:
    """Read the deliveries listing's parameters; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_DELIVERIES, repeatable=())
    one = {name: values[0] for name, values in given.items()}
    status = _STATUS.read("status", given["status"]) if "status" in given else None
    return DeliveriesQuery(status=status, limit=_limit(one.get("limit")), cursor=one.get("cursor"))


def acts_query(pairs: Iterable[tuple[str, str]]) -> ActsQuery:
    """Read the log's parameters; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_LOG, repeatable=())

    def read(name: str, kind: ValueKind[T]) -> T | None:
        return kind.read(name, given[name]) if name in given else None

    recording_id = read("recording_id", ID)
    return ActsQuery(
        asked=LogQuery(
            actor=read("actor", _ACTOR),
            action=read("action", _ACTION),
            recording_id=None if recording_id is None else RecordingId(recording_id),
            since=read("since", TIME),
            until=read("until", TIME),
        ),
        limit=_limit(given.get("limit", [None])[0]),
        cursor=given.get("cursor", [None])[0],
    )


def holds_query(pairs: Iterable[tuple[str, str]]) -> StandingHoldsQuery:
    """Read the parameters of the listing of holds; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_HOLDS, repeatable=())
    recording_id = ID.read("recording_id", given["recording_id"]) if "recording_id" in given else None
    return StandingHoldsQuery(
        asked=HoldsQuery(
            scope=_SCOPE.read("scope", given["scope"]) if "scope" in given else None,
            value=PERSON.read("value", given["value"]) if "value" in given else None,
            recording_id=None if recording_id is None else RecordingId(recording_id),
        ),
        limit=_limit(given.get("limit", [None])[0]),
        cursor=given.get("cursor", [None])[0],
    )


def _filters(given: Mapping[str, Sequence[str]]) -> Filters:
    return Filters(tuple(each.read(given[each.name]) for each in FILTERS if each.name in given))


def _collect(
    pairs: Iterable[tuple[str, str]], *, known: Sequence[str], repeatable: Collection[str]
) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidQueryError(
                f"the parameter {shown(name)} is not known{nearest(name, known)}", f"known are {', '.join(known)}"
            )
        if name in given and name not in repeatable:
            raise InvalidQueryError(f"{name}= is given more than once", "give it once")
        if "\0" in value:
            raise InvalidQueryError(f"{name}= contains a NUL character, which no stored text has")
        given.setdefault(name, []).append(value)
    return given


def _limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if re.fullmatch(r"[0-9]{1,9}", value) is None or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidQueryError(f"limit={shown(value)} is out of range", f"choose 1 to {MAX_LIMIT}")
    return int(value)
