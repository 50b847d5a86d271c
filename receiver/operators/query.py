"""From a query string to filters: every parameter is known, single unless said otherwise, and within bounds."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from receiver.catalogue import Bound, Filters
from receiver.errors import InvalidQueryError
from receiver.operators.ids import is_id
from receiver.records import DeliveryStatus, MeetingId, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_WORDS = 16
MAX_WORDS_CHARS = 256
_MAX_INT64 = 2**63 - 1
_BOUNDS = {
    f"{f}[{op}]": (f, op) for f in ("created_at", "archived_at", "start_date") for op in ("gt", "gte", "lt", "lte")
}
_RECORDINGS = ("state", "meeting_id", "host_id", "participant_id", "q", *_BOUNDS, "sort", "limit", "cursor")
_DELIVERIES = ("status", "limit", "cursor")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_SECONDS = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_SPACE_FOR_PLUS = re.compile(r"(:[0-9]{2}\S*) ([0-9]{2}(:?[0-9]{2})?)$")
E_ = TypeVar("E_", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsQuery:
    """A question to the recordings listing; the catalogue checks `sort` and `cursor`."""

    filters: Filters
    sort: str
    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesQuery:
    """A question to the deliveries listing; the catalogue checks `cursor`."""

    status: DeliveryStatus | None
    limit: int
    cursor: str | None


def recordings_query(pairs: Iterable[tuple[str, str]]) -> RecordingsQuery:
    """Read the recordings listing's parameters; raises `InvalidQueryError` that names the parameter and the remedy."""
    given = _collect(pairs, known=_RECORDINGS, repeatable={"state"})
    one = {name: values[0] for name, values in given.items()}
    filters = Filters(
        states=_states(given.get("state", ())),
        meeting_id=_meeting_id(one.get("meeting_id")),
        host_id=_user_id("host_id", one),
        participant_id=_user_id("participant_id", one),
        words=_words(one.get("q", "")),
        bounds=tuple(
            Bound(field=field, operator=operator, value=_time(name, one[name]))
            for name, (field, operator) in _BOUNDS.items()
            if name in one
        ),
    )
    return RecordingsQuery(
        filters=filters, sort=one.get("sort", "-created_at"), limit=_limit(one.get("limit")), cursor=one.get("cursor")
    )


def deliveries_query(pairs: Iterable[tuple[str, str]]) -> DeliveriesQuery:
    """Read the deliveries listing's parameters; raises `InvalidQueryError`."""
    given = _collect(pairs, known=_DELIVERIES, repeatable=())
    one = {name: values[0] for name, values in given.items()}
    status = _member(DeliveryStatus, "status", one["status"]) if "status" in one else None
    return DeliveriesQuery(status=status, limit=_limit(one.get("limit")), cursor=one.get("cursor"))


def _collect(
    pairs: Iterable[tuple[str, str]], *, known: Sequence[str], repeatable: Collection[str]
) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise InvalidQueryError(
                f"the parameter {_shown(name)} is not known{_nearest(name, known)}", f"known are {', '.join(known)}"
            )
        if name in given and name not in repeatable:
            raise InvalidQueryError(f"{name}= is given more than once", "give it once")
        if "\0" in value:
            raise InvalidQueryError(f"{name}= contains a NUL character, which no stored text has")
        given.setdefault(name, []).append(value)
    return given


def _states(values: Sequence[str]) -> tuple[State, ...]:
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(dict.fromkeys(_member(State, "state", name) for name in names))


def _member(choices: type[E_], name: str, value: str) -> E_:
    if value not in list(choices):
        raise InvalidQueryError(
            f"{name}={_shown(value)} is not known{_nearest(value, list(choices))}", f"choose from {', '.join(choices)}"
        )
    return choices(value)


def _meeting_id(value: str | None) -> MeetingId | None:
    if value is not None and not is_id(value):
        raise InvalidQueryError(
            f"meeting_id={_shown(value)} is not an id: 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
        )
    return MeetingId(value) if value is not None else None


def _user_id(name: str, given: Mapping[str, str]) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,19}", value) is None or int(value) > _MAX_INT64:
        raise InvalidQueryError(f"{name}={_shown(value)} is not a user id: a whole number from 0 to {_MAX_INT64}")
    return int(value)


def _words(value: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(value.split()))
    if len(value) > MAX_WORDS_CHARS or len(words) > MAX_WORDS:
        raise InvalidQueryError("q= is too long", f"give at most {MAX_WORDS} words and {MAX_WORDS_CHARS} characters")
    return words


def _limit(value: str | None) -> int:
    if value is None:
        return DEFAULT_LIMIT
    if re.fullmatch(r"[0-9]{1,9}", value) is None or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidQueryError(f"limit={_shown(value)} is out of range", f"choose 1 to {MAX_LIMIT}")
    return int(value)


def _time(name: str, value: str) -> datetime:
    """Read epoch seconds or ISO 8601; a time without an offset is UTC, a bare date its first instant in UTC."""
    try:
        if _EPOCH_SECONDS.fullmatch(value):
            return _EPOCH + timedelta(seconds=float(value))
        # an offset's "+" that was not percent-encoded arrives as a space
        found = datetime.fromisoformat(_SPACE_FOR_PLUS.sub(r"\1+\2", value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise InvalidQueryError(
            f"{name}={_shown(value)} is not a time", "give ISO 8601 (2026-11-23, 2026-11-23T10:00:00Z) or epoch seconds"
        ) from e


def _nearest(value: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(value[:64], known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _shown(value: str) -> str:
    return repr(value if len(value) <= 64 else value[:64] + "…")
