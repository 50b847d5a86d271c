"""Rows in the order of `created_at` from one index or several, as far as a page goes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.indexing import first_place, last_place
from receiver.catalogue.ways import ColumnStream, has_posting, merged
from receiver.tables import recordings, search_postings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from receiver.catalogue.filters import Condition
    from receiver.catalogue.order import Order
    from receiver.catalogue.ways import Way


@dataclass(frozen=True, slots=True)
class Found:
    """A row's place in a listing."""

    value: Any
    id: str


def unindexed(clause: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the same condition, in which no planner sees a way to the rows: they are looked at, one by one.

    PostgreSQL takes it that a third of the rows meet `> 0`, and of `= 1` that so few do that it looks at all of them.
    """
    return sa.case((clause, sa.literal_column("1")), else_=sa.literal_column("0")) > sa.literal_column("0")


def conditions(asked: Iterable[Condition], bounded: str | None = None) -> list[sa.ColumnElement[bool]]:
    """Return all conditions, each as rows are looked at, but for bounds of what an index is followed by."""
    return [
        one.clause() if bounded is not None and one.filter.bounds == bounded else unindexed(one.clause())
        for one in asked
    ]


@dataclass(frozen=True, slots=True)
class Streams:
    """Reads `n` rows after `after`, of streams of one kind.

    Of each of `others` a row has a token too: postings are looked up before the row, which costs a tenth.
    """

    tx: sa.Connection
    order: Order
    way: Way
    n: int
    after: tuple[Any, str] | None
    others: Sequence[Sequence[str]] = ()

    def read(self, also: Sequence[sa.ColumnElement[bool]], asked: Sequence[Condition]) -> list[Found]:
        """Return the rows that meet all conditions, in order."""
        value, row_id = recordings.c.created_at, recordings.c.id
        comes_after = [] if self.after is None else [self.order.after(value, row_id, self.after)]
        columns = [one.clause for one in self.way.streams if isinstance(one, ColumnStream)]
        if columns:
            where = [*also, *conditions(asked, "created_at"), *comes_after]
            return self._sorted(self.tx.execute(_together([self._by_column(one, where) for one in columns])))
        where = [*also, *conditions(asked), *map(unindexed, comes_after)]
        tokens, bounds = self.way.tokens, [*self._places(asked), *map(has_posting, self.others)]
        # one more than wanted, to see whether the page ends within a millisecond
        query = _together([self._by_token(one, [*bounds, *where]).limit(self.n + 1) for one in tokens])
        with merged(self.tx) if self.others else nullcontext():
            rows = self.tx.execute(query).all()
        return self._with_ties(tokens, where, rows)

    def _by_column(self, clause: sa.ColumnElement[bool], where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        value, row_id = recordings.c.created_at, recordings.c.id
        query = sa.select(value.label("value"), row_id).where(clause, *where)
        return query.order_by(*self.order.by(value, row_id)).limit(self.n)

    def _by_token(self, token: str, where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        c = search_postings.c
        query = sa.select(recordings.c.created_at.label("value"), recordings.c.id, c.place)
        query = query.select_from(search_postings.join(recordings, recordings.c.place == c.place))
        return query.where(c.token == token, *where).order_by(*self.order.by(c.place))

    def _places(self, asked: Sequence[Condition]) -> list[sa.ColumnElement[bool]]:
        """Return between which places the rows stand, as far as `after` and bounds of `created_at` say."""
        place = search_postings.c.place
        found = []
        if self.after is not None:
            at = self.after[0]
            found.append(place <= last_place(at) if self.order.descending else place >= first_place(at))
        for one in asked:
            if one.filter.bounds == "created_at":
                is_least = "[g" in one.filter.name
                found.append(place >= first_place(one.value) if is_least else place <= last_place(one.value))
        return found

    def _with_ties(
        self, tokens: Sequence[str], where: Sequence[sa.ColumnElement[bool]], rows: Sequence[sa.Row[Any]]
    ) -> list[Found]:
        """Sort rows that came by the millisecond; where the page ends among several of one, read all of that one."""
        found = self._sorted(rows)
        if len(found) < self.n or len(rows) <= self.n:
            return found
        first, last = first_place(found[-1].value), last_place(found[-1].value)
        if sum(first <= row.place <= last for row in rows) < 2:
            return found
        of_ms = [search_postings.c.place >= first, search_postings.c.place <= last]
        rest = self.tx.execute(_together([self._by_token(one, [*of_ms, *where]) for one in tokens]))
        return self._sorted([*rows, *rest])

    def _sorted(self, rows: Iterable[sa.Row[Any]]) -> list[Found]:
        found = {row.id: Found(row.value, row.id) for row in rows}
        key = lambda one: (one.value, one.id)  # noqa: E731
        return sorted(found.values(), key=key, reverse=self.order.descending)[: self.n]


def _together(queries: Sequence[sa.Select[Any]]) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    if len(queries) == 1:
        return queries[0]
    return sa.union_all(*(sa.select(one.subquery()) for one in queries))
