"""The filters of `GET /meetings`: `field=value` and `field[operator]=value`, several joined by and.

The vendor's JavaScript client writes a list as `field[]=a&field[]=b` or as `field=a,b`; both ask for any of the values.
"""

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from receiver.sandbox.wire import field_error

Value: TypeAlias = str | int | bool | datetime
Condition: TypeAlias = Callable[[Mapping[str, Value]], bool]
ItemT = TypeVar("ItemT")

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
TEXT_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {"ctn": operator.contains, "start_with": str.startswith}
TEXT_FIELD = "_id"
LIST = "in"
OF_LISTS: Mapping[str, Callable[[Value, Collection[Value]], bool]] = {
    LIST: lambda value, wanted: value in wanted,
    "or": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
    "all": lambda value, wanted: set(wanted) == {value},  # no filtered field holds more than one value
}


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
    single: bool  # one id and nothing else names it: the answer is that meeting, not a list
    limit: int
    offset: int

    def matches(self, values: Mapping[str, Value]) -> bool:
        return all(condition(values) for condition in self.conditions)

    def page(self, found: Sequence[ItemT]) -> Sequence[ItemT]:
        return found[self.offset : self.offset + self.limit]


def read_query(pairs: Iterable[tuple[str, str]]) -> Query:
    """Parameters that no document names are ignored, like the vendor's SDKs' own additions."""
    conditions: list[Condition] = []
    lists: dict[tuple[str, str], set[Value]] = {}
    paging = {"limit": LIMIT_DEFAULT, "offset": 0}
    by_id = single = False
    for key, text in pairs:
        name, sign = _read_key(key, text)
        if name in paging and sign == "eq":
            paging[name] = _page_number(name, text)
        elif name in FIELDS:
            by_id = by_id or (name == "_id" and sign in {"eq", LIST, "or"})
            single = single or (name == "_id" and sign == "eq")
            if sign in OF_LISTS:
                lists.setdefault((name, sign), set()).update(_value(name, item) for item in text.split(","))
            else:
                conditions.append(_comparison(name, sign, text))
    conditions += [_of_list(name, sign, wanted) for (name, sign), wanted in lists.items()]
    return Query(tuple(conditions), by_id, single, paging["limit"], paging["offset"])


def _read_key(key: str, text: str) -> tuple[str, str]:
    """The field and the operator; a list without one asks for any of its values."""
    match = KEY.match(key)
    if match is None:
        return key, "eq"
    name, sign = match[1], match[2]
    if sign == "" or (sign is None and name in FIELDS and "," in text):
        return name, LIST
    return name, "eq" if sign is None else sign


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


def _of_list(name: str, sign: str, wanted: Collection[Value]) -> Condition:
    return lambda values: OF_LISTS[sign](values[name], wanted)


def _comparison(name: str, sign: str, text: str) -> Condition:
    known: Mapping[str, Callable[[Any, Any], bool]] = COMPARISONS
    if name == TEXT_FIELD:
        known = {**COMPARISONS, **TEXT_COMPARISONS}
    if sign not in known:
        raise field_error(name, f"unknown operator {sign}")
    compare, value = known[sign], _value(name, text)
    return lambda values: compare(values[name], value)


def _value(name: str, text: str) -> Value:
    try:
        return FIELDS[name](text)
    except (ValueError, KeyError) as error:
        raise field_error(name, "is invalid") from error
