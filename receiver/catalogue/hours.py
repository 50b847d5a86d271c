"""Where in the order of one time the rows stand that meet bounds of another.

The times of a recording lie close together as a rule. So of a listing of what was created last year, by
`archived_at`, all that was archived since stands before the first row, and would be looked at. `hour_cells` tells
which hours of the one time go with which of the other, and hours of which no row can meet the bounds are passed.
Recordings that came late cost a look at the hour in which each of them stands; an hour is never passed wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.filters import FILTERS
from receiver.tables import hour_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from receiver.catalogue.filters import Condition
    from receiver.catalogue.order import Order

_TIMES = ("created_at", "archived_at", "start_date")
PAIRS = {pair: number for number, pair in enumerate(permutations(_TIMES, 2))}
"""The time by which rows stand and the one that is bounded, and their number in the table."""
_FIRST, _HOUR = datetime.min.replace(tzinfo=UTC), timedelta(hours=1)
_LAST_HOUR = (datetime.max.replace(tzinfo=UTC) - _FIRST) // _HOUR
_BY_NAME = {one.name: one for one in FILTERS}
FEWEST, _MORE = 64, 8
"""Hours that are read first, and how many times as many each time after: a page is full soon, or in many."""
_NEAREST, _FARTHER = 2, 2
"""How far apart two hours of a stretch may lie at first, and how many times as far after each gap: where many lie
apart, rows between them are looked at in the end, which costs less than a statement for each."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an order: the conditions of a listing as they are there, and after which row it begins."""

    asked: Sequence[Condition]
    after: tuple[Any, str] | None


def stretches(
    tx: sa.Connection, name: str, order: Order, asked: Sequence[Condition], after: tuple[Any, str] | None
) -> Iterator[Stretch]:
    """Yield the parts of the order by `name` outside of which no row meets the conditions, in that order."""
    others = {one.filter.bounds for one in asked if one.filter.bounds in _TIMES} - {name}
    if name not in _TIMES or not others:
        yield Stretch(asked, after)
        return
    own = [one for one in asked if one.filter.bounds == name]
    least, greatest = _between(own)
    at = None if after is None else _hour(after[0])
    if at is not None:
        least, greatest = (least, min(greatest, at)) if order.descending else (max(least, at), greatest)
    hours = _Hours(name, {str(other): [one for one in asked if one.filter.bounds == other] for other in others})
    for first, last in hours.joined(tx, order, least, greatest):
        is_begun = at is not None and first <= at <= last
        yield Stretch(_narrowed(name, asked, first, last), after if is_begun else None)


@dataclass(frozen=True, slots=True)
class _Hours:
    """The hours by `name` of which rows may meet the bounds of other times."""

    name: str
    bounds: Mapping[str, Sequence[Condition]]

    def joined(self, tx: sa.Connection, order: Order, least: int, greatest: int) -> Iterator[tuple[int, int]]:
        """Yield the first and the last of hours that lie close together, in order."""
        query = self._query(order)
        most, near = FEWEST, _NEAREST
        while least <= greatest:
            found = tx.execute(query, {"least": least, "greatest": greatest, "most": most}).scalars().all()
            start = 0
            for end in range(1, len(found) + 1):
                if end == len(found) or abs(found[end] - found[end - 1]) > near:
                    yield min(found[start], found[end - 1]), max(found[start], found[end - 1])
                    start, near = end, near if end == len(found) else near * _FARTHER
            if len(found) < most:
                return
            least, greatest = (least, found[-1] - 1) if order.descending else (found[-1] + 1, greatest)
            most *= _MORE

    def _query(self, order: Order) -> sa.Select[Any]:
        hour, *others = [self._of(other, bounds).subquery().c.hour for other, bounds in self.bounds.items()]
        query = sa.select(hour).distinct().where(hour.between(sa.bindparam("least"), sa.bindparam("greatest")))
        query = query.where(*(sa.exists().where(other == hour) for other in others))
        return query.order_by(*order.by(hour)).limit(sa.bindparam("most"))

    def _of(self, other: str, bounds: Sequence[Condition]) -> sa.Select[Any]:
        c = hour_cells.c
        least, greatest = _between(bounds)
        of_pair = c.pair == sa.literal_column(str(PAIRS[self.name, other]))
        return sa.select(c.hour).where(of_pair, c.greatest >= least, c.least <= greatest)


def _between(bounds: Sequence[Condition]) -> tuple[int, int]:
    """Return the first and the last hour with values that meet these bounds."""
    least = [_hour(one.value) for one in bounds if _is_least(one)]
    greatest = [_hour(one.value) for one in bounds if not _is_least(one)]
    return max(least, default=0), min(greatest, default=_LAST_HOUR)


def _narrowed(name: str, asked: Sequence[Condition], first: int, last: int) -> list[Condition]:
    """Return the conditions with those of a stretch, of which each bound is the tightest: an index is given but one."""
    kept = [one for one in asked if one.filter.bounds != name or first <= _hour(one.value) <= last]
    own = [_is_least(one) for one in kept if one.filter.bounds == name]
    if True not in own:
        kept.append(_BY_NAME[f"{name}[gte]"](_FIRST + first * _HOUR))
    if False not in own and last < _LAST_HOUR:
        kept.append(_BY_NAME[f"{name}[lt]"](_FIRST + (last + 1) * _HOUR))
    return kept


def _is_least(one: Condition) -> bool:
    return "[g" in one.filter.name


def _hour(value: datetime) -> int:
    return (value - _FIRST) // _HOUR
