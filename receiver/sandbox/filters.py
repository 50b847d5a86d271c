"""The filters of `GET /meetings`: `field=value` and `field[operator]=value`, several joined by and."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from receiver.sandbox.wire import field_error

Value: TypeAlias = str | int | bool | datetime
Condition: TypeAlias = Callable[[Mapping[str, Value]], bool]

LIMIT_DEFAULT = 100
LIMIT_MAX = 100  # the vendor's own maximum is undocumented; a client that never asks for more is safe with any
KEY = re.compile(r"^(\w+)(?:\[(\w*)\](?:\[\d*\])?)?$")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
MEMBERSHIPS = frozenset({"in", "nin"})


def _integer(text: str) -> int:
    return int(text, 10)


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


FIELDS: Mapping[str, Callable[[str], Value]] = {
    "_id": str,
    "start_date": _integer,
    "end_date": _integer,
    "created_at": _moment,
    "updated_at": _moment,
    "scheduled": _flag,
}


@dataclass(frozen=True)
class Query:
    conditions: tuple[Condition, ...]
    by_id: bool  # a meeting named by its id may be a public one of others
    limit: int
    offset: int

    def matches(self, values: Mapping[str, Value]) -> bool:
        return all(condition(values) for condition in self.conditions)


def read_query(pairs: Iterable[tuple[str, str]]) -> Query:
    """Parameters that no document names are ignored, like the vendor's SDKs' own additions."""
    conditions: list[Condition] = []
    sets: dict[tuple[str, str], set[Value]] = {}
    paging = {"limit": LIMIT_DEFAULT, "offset": 0}
    by_id = False
    for key, text in pairs:
        match = KEY.match(key)
        name, sign = (match[1], match[2]) if match else (key, None)
        if name in paging and sign is None:
            paging[name] = _page_number(name, text)
        elif name in FIELDS:
            by_id = by_id or (name == "_id" and sign in {None, "in"})
            if sign in MEMBERSHIPS:
                sets.setdefault((name, sign), set()).update(_value(name, item) for item in text.split(","))
            else:
                conditions.append(_comparison(name, "eq" if sign is None else sign, text))
    conditions += [_membership(name, sign, wanted) for (name, sign), wanted in sets.items()]
    return Query(tuple(conditions), by_id, paging["limit"], paging["offset"])


def _page_number(name: str, text: str) -> int:
    try:
        number = _integer(text)
    except ValueError as error:
        raise field_error(name, "is invalid") from error
    if name == "limit" and not 1 <= number <= LIMIT_MAX:
        raise field_error(name, f"must be between 1 and {LIMIT_MAX}")
    if number < 0:
        raise field_error(name, "must not be negative")
    return number


def _membership(name: str, sign: str, wanted: set[Value]) -> Condition:
    return lambda values: (values[name] in wanted) is (sign == "in")


def _comparison(name: str, sign: str, text: str) -> Condition:
    if sign not in COMPARISONS:
        raise field_error(name, f"unknown operator {sign}")
    compare, value = COMPARISONS[sign], _value(name, text)
    return lambda values: compare(values[name], value)


def _value(name: str, text: str) -> Value:
    try:
        return FIELDS[name](text)
    except (ValueError, KeyError) as error:
        raise field_error(name, "is invalid") from error
