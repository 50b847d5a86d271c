"""The ways into the recordings that indexes offer: which of them match a condition, counted cheaply and in what order.

A stream yields rows in the order of `created_at`, of an index that begins with the column compared or of the postings
of a token. A condition that has none may still be read whole where few rows match it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from receiver.tables import recordings, search_postings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from receiver.catalogue.words import Piece

MOST_LOOKED_UP = 4
"""Tokens whose postings are looked up, for every row of another way, before the row itself is."""
MOST_TOKENS = 32
"""Streams that are merged; of a beginning that more tokens have, the rows are read whole or looked at in order."""
_LAST = "\U0010ffff"
_MERGE = sa.text("SELECT set_config('enable_mergejoin', :value, true)")


@dataclass(frozen=True, slots=True)
class ColumnStream:
    """Rows that `clause` selects, by an index that has them in the order of (created_at, id)."""

    clause: sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class TokenStream:
    """Rows with this token, by its postings: in the order of `created_at` by the millisecond."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to the rows of one condition. `rank`: the lower, the fewer rows match it as a rule."""

    rank: int
    some: sa.Select[Any]
    """As many rows as match, of whatever table: to be limited and counted."""
    rows: sa.ColumnElement[bool]
    """The condition as an index serves it."""
    streams: Sequence[ColumnStream | TokenStream] = field(default=())

    @property
    def tokens(self) -> list[str]:
        """The tokens of whose postings the streams are."""
        return [one.token for one in self.streams if isinstance(one, TokenStream)]


def by_column(rank: int, *clauses: sa.ColumnElement[bool]) -> Way:
    """Make the access by an index whose next columns are created_at and id; of several clauses, rows match any."""
    rows = sa.or_(*clauses) if len(clauses) > 1 else clauses[0]
    return Way(rank=rank, some=_one(recordings, rows), rows=rows, streams=[ColumnStream(one) for one in clauses])


def by_range(clauses: Sequence[sa.ColumnElement[bool]]) -> Way:
    """Make the access by an index that has the rows in another order than that of `created_at`."""
    rows = sa.and_(*clauses)
    return Way(rank=9, some=_one(recordings, rows), rows=rows)


def by_token(tx: sa.Connection, piece: Piece, rank: int) -> Way:
    """Make the access by the postings of the tokens that a piece stands for; without any, no row matches."""
    token = search_postings.c.token
    found = [piece.token] if piece.is_whole else _tokens(tx, piece.token)
    if len(found) <= MOST_TOKENS:
        matches: sa.ColumnElement[bool] = token.in_(found)
        streams = [TokenStream(one) for one in found]
    else:
        matches, streams = sa.and_(token >= piece.token, token < piece.token + _LAST), []
    places = sa.select(search_postings.c.place).where(matches)
    return Way(
        rank=rank, some=_one(search_postings, matches), rows=recordings.c.place.in_(places), streams=tuple(streams)
    )


def by_all(tx: sa.Connection, way: Way, others: Sequence[Sequence[str]], most: int) -> Way | None:
    """Make the access to the rows that have a token of a way and one of each of the others, if they are not so many."""
    token, place = search_postings.c.token, search_postings.c.place
    meeting = sa.select(place).where(token.in_(way.tokens), *map(has_posting, others)).limit(most)
    with merged(tx):
        places = tx.execute(meeting).scalars().all()
    rows = recordings.c.place.in_(places)
    return Way(rank=way.rank, some=_one(recordings, rows), rows=rows) if len(places) < most else None


@contextmanager
def merged(tx: sa.Connection) -> Iterator[None]:
    """Let PostgreSQL merge the postings of two words meanwhile, a tenth of what a look-up for each costs it."""
    if tx.dialect.name == "postgresql":
        tx.execute(_MERGE, {"value": "on"})
    yield
    if tx.dialect.name == "postgresql":
        tx.execute(_MERGE, {"value": "off"})


def has_posting(tokens: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a posting's place is among those of one of these tokens too."""
    other = search_postings.alias()
    return sa.exists().where(other.c.token.in_(tokens), other.c.place == search_postings.c.place)


def has_token(piece: Piece) -> sa.ColumnElement[bool]:
    """Return the condition that a row holds such a token, which no index serves."""
    sought = f" {piece.token} " if piece.is_whole else f" {piece.token}"
    return _Position(recordings.c.search_text, sa.literal(sought, sa.Text)) > 0


def _one(table: sa.Table, clause: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.literal_column("1").label("one")).select_from(table).where(clause)


def _tokens(tx: sa.Connection, beginning: str) -> list[str]:
    """Return the tokens with this beginning, one more than `MOST_TOKENS` at most, each by one look into the index."""
    token, end = search_postings.c.token, beginning + _LAST
    first = sa.select(sa.func.min(token).label("token")).where(token >= beginning, token < end)
    found = first.cte("found", recursive=True)
    following = sa.select(sa.func.min(token)).where(token > found.c.token, token < end).scalar_subquery()
    found = found.union_all(sa.select(following).where(found.c.token.is_not(None)))
    rows = tx.execute(sa.select(found.c.token).limit(MOST_TOKENS + 1)).scalars()
    return [one for one in rows if one is not None]


class _Position(GenericFunction[int]):
    """Where a text holds another, from 1; 0 where it does not."""

    type = sa.Integer()
    inherit_cache = True
    name = "instr"


@compiles(_Position, "postgresql")
def _strpos(element: _Position, compiler: Any, **options: Any) -> str:
    return f"strpos({', '.join(compiler.process(one, **options) for one in element.clauses)})"
