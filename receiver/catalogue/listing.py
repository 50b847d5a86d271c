"""How a page of a listing is read: by an index in the listing's order, or whole through one that few rows match.

Where the order is that of an index, rows are looked at along it until a page is full. A condition that matches under
`FEW` rows is read whole instead, and those rows are sorted. Of two frequent ones, the rows of the one are looked at
until enough of them meet the other: uncorrelated, that takes few. Of two words the postings are compared before any row
is looked at, so that two frequent ones that never meet cost a tenth.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.filters import CONTENT_TYPE, INCOMPLETE, STATE
from receiver.catalogue.hours import stretches
from receiver.catalogue.order import COLUMNS, HAS_VALUE, LACKS_VALUE, Mark
from receiver.catalogue.streams import Found, Streams, conditions, unindexed
from receiver.catalogue.ways import MOST_LOOKED_UP, Way, by_all, by_column, by_range
from receiver.records import State
from receiver.tables import recordings, search_postings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.catalogue.filters import Condition, Filters
    from receiver.catalogue.hours import Stretch
    from receiver.catalogue.order import Order

FEW = 10_000
"""Rows that are read whole and sorted; also about how many are looked at in an order to find a hundred of so many in a
million."""
_MARGIN = 1000
"""Rows that may come while a page is read."""
_BY_INDEX = sa.text(
    "SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', "
    "'enable_bitmapscan', 'enable_sort', 'jit']) AS name UNION ALL "
    "SELECT set_config('max_parallel_workers_per_gather', '0', true) UNION ALL "
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""Words differ too much in frequency for one plan, and a page is read before other workers have started."""
_OF_ARCHIVING = frozenset({"archived_at", "size_bytes"})
"""What a recording has once it is archived, and not before."""
_HAVE_VALUES = frozenset({State.ARCHIVED})
_LACK_VALUES = frozenset(State) - {State.ARCHIVED, State.ERASED}
"""States whose recordings have, or lack, both `archived_at` and the size of the archived file."""


@dataclass(slots=True)
class PageQuery:
    """Reads one page, in one transaction: `n` rows after `after`."""

    tx: sa.Connection
    filters: Filters
    order: Order
    n: int
    after: Mark | None
    _ways: list[Way] | None = field(default=None, init=False)
    _meeting: Way | None = field(default=None, init=False)
    """To the rows that have a token of several conditions, once these were found to be few."""

    def marks(self) -> list[Mark]:
        """Return the places of the page's rows, in order."""
        if self.tx.dialect.name == "postgresql":  # its statistics may be old: what is meant to be used, is
            self.tx.execute(_BY_INDEX)
        if self.order.name == "created_at":
            after = None if self.after is None else (self.after.value, self.after.id)
            return [Mark(row.value, row.id) for row in self._rows("created_at", (), after, self.n)]
        legs = [self._valued, self._valueless] if self.order.descending else [self._valueless, self._valued]
        found: list[Mark] = []
        for leg in legs:
            if len(found) < self.n:
                found += leg(self.n - len(found))
        return found

    def _valued(self, n: int) -> list[Mark]:
        """Return rows that have the value."""
        if (self.after is not None and self.after.value is None and self.order.descending) or self._states(
            _LACK_VALUES
        ):
            return []
        after = None if self.after is None or self.after.value is None else (self.after.value, self.after.id)
        rows = self._rows(self.order.name, [HAS_VALUE[self.order.name]], after, n)
        return [Mark(row.value, row.id) for row in rows]

    def _valueless(self, n: int) -> list[Mark]:
        """Return rows that lack the value, in the order of `created_at`."""
        if (
            (self.after is not None and self.after.value is not None and not self.order.descending)
            or self._states(_HAVE_VALUES)
            or any(one.filter.bounds == self.order.name for one in self.filters.conditions)
            or (self.order.name in _OF_ARCHIVING and any(map(_is_of_archived, self.filters.conditions)))
        ):
            return []
        after = None
        if self.after is not None and self.after.value is None:
            after = (self.after.created_at or self._created_at(self.after.id), self.after.id)
        rows = self._rows("created_at", (LACKS_VALUE[self.order.name],), after, n)
        return [Mark(None, row.id, row.value) for row in rows]

    def _states(self, states: frozenset[State]) -> bool:
        """Tell whether only recordings in some of these states are asked for, in an order that goes by archiving."""
        if self.order.name not in _OF_ARCHIVING:
            return False
        asked = [frozenset(one.value) for one in self.filters.conditions if one.filter is STATE]
        return any(one <= states for one in asked)

    def _created_at(self, recording_id: str) -> datetime:
        """Return the time by which a cursor of an older release goes on."""
        query = sa.select(recordings.c.created_at).where(recordings.c.id == recording_id)
        found: datetime = self.tx.execute(query).scalar_one()
        return found

    def _rows(
        self, name: str, also: Sequence[sa.ColumnElement[bool]], after: tuple[Any, str] | None, n: int
    ) -> list[Found]:
        """Return rows in the order of `name`, all of which have it, by the best way there is."""
        way, is_whole = self._choose(name, also if name == "created_at" else ())
        if way is not None and is_whole:
            return self._whole(way, name, also, after, n)
        found: list[Found] = []
        for part in stretches(self.tx, name, self.order, self.filters.conditions, after):
            left = n - len(found)
            if way is None:
                found += self._along(name, also, part, left)
            else:
                streams = Streams(self.tx, self.order, way, left, part.after, self._others(way))
                found += streams.read([*map(unindexed, also)], part.asked)
            if len(found) >= n:
                break
        return found

    def _choose(self, name: str, lacking: Sequence[sa.ColumnElement[bool]]) -> tuple[Way | None, bool]:
        """Return the way in that the fewest rows match, if any is better than the order's own, and whether to sort."""
        if self._meeting is not None:
            return self._meeting, True
        if self._ways is None:
            self._ways = [way for one in self.filters.conditions for way in one.ways(self.tx)]
        in_order = [way for way in self._ways if way.streams and name == "created_at"]
        in_order += [by_column(8, one) for one in lacking]
        ways = [*in_order, *(way for way in self._ways if way not in in_order), *self._ranges(name)]
        if not ways or (len(ways) == 1 and in_order):
            return (ways[0] if ways else None), False
        few = [sa.select(sa.func.count()).select_from(way.some.limit(FEW).subquery()).scalar_subquery() for way in ways]
        counts = self.tx.execute(sa.select(*(one.label(f"n{i}") for i, one in enumerate(few)))).one()
        best = min(range(len(ways)), key=lambda i: (counts[i], ways[i].rank))
        if counts[best] < FEW:
            return ways[best], ways[best] not in in_order
        worded = [way for way in ways if way.tokens]
        rarest = min(worded, key=self._reach) if len(worded) > 1 else None
        if rarest is not None and rarest not in in_order and (others := self._others(rarest)):
            self._meeting = by_all(self.tx, rarest, others, FEW)
            if self._meeting is not None:
                return self._meeting, True
        return min(in_order, key=lambda one: (one.rank, one is not rarest), default=None), False

    def _others(self, way: Way) -> list[list[str]]:
        """Return the tokens of the other conditions of which a row must have one, where they are looked up quickly."""
        return [one.tokens for one in self._ways or () if one is not way and 0 < len(one.tokens) <= MOST_LOOKED_UP]

    def _reach(self, way: Way) -> int:
        """Return the place of the token's row that only `FEW` newer ones have: the further back, the rarer it is."""
        if len(way.tokens) != 1:
            return sys.maxsize
        c = search_postings.c
        newest = sa.select(c.place).where(c.token == way.tokens[0]).order_by(c.place.desc())
        return self.tx.execute(newest.offset(FEW - 1).limit(1)).scalar() or 0

    def _ranges(self, name: str) -> list[Way]:
        """Return the ways in by bounds of what is not sorted by."""
        bounds: dict[str, list[sa.ColumnElement[bool]]] = {}
        for one in self.filters.conditions:
            if one.filter.bounds not in (None, name):
                bounds.setdefault(one.filter.bounds or "", []).append(one.clause())
        return [
            by_range([*clauses, HAS_VALUE[other]] if other in HAS_VALUE else clauses)
            for other, clauses in bounds.items()
        ]

    def _along(self, name: str, also: Sequence[sa.ColumnElement[bool]], part: Stretch, n: int) -> list[Found]:
        """Look at rows along the index of what is sorted by."""
        value = COLUMNS[name]
        query = sa.select(value.label("value"), recordings.c.id).where(*also, *conditions(part.asked, name))
        if part.after is not None:
            query = query.where(self.order.after(value, recordings.c.id, part.after))
        return self._run(query.order_by(*self.order.by(value, recordings.c.id)).limit(n))

    def _whole(
        self, way: Way, name: str, also: Sequence[sa.ColumnElement[bool]], after: tuple[Any, str] | None, n: int
    ) -> list[Found]:
        """Read all rows of a way in, which are few, and sort them."""
        value = COLUMNS[name]
        few = sa.select(value.label("value"), recordings.c.id)
        few = few.where(way.rows, *map(unindexed, also), *conditions(self.filters.conditions))
        rows = few.limit(FEW + _MARGIN).subquery("few")
        query = sa.select(rows.c.value, rows.c.id)
        if after is not None:
            query = query.where(self.order.after(rows.c.value, rows.c.id, after))
        return self._run(query.order_by(*self.order.by(rows.c.value, rows.c.id)).limit(n))

    def _run(self, query: sa.Select[Any]) -> list[Found]:
        return [Found(row.value, row.id) for row in self.tx.execute(query)]


def _is_of_archived(one: Condition) -> bool:
    """Tell whether a condition is met by recordings alone that were archived, which is when its column is written."""
    is_written = one.filter is CONTENT_TYPE or (one.filter is INCOMPLETE and one.value)
    return is_written or one.filter.bounds in _OF_ARCHIVING
