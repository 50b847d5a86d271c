"""What an operator wants to know in the morning: what came, what was archived, what waits and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.records import State
from receiver.tables import deliveries, reconciliations, recordings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from receiver.tables import Database

DAYS = 14
_SETTLED_AFTER = timedelta(minutes=5)
"""A run writes when it archived in the moment it does; machines' clocks differ by less."""
_MOST_LAGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was archived on a day (UTC). `lag_s`: the median from first sight to archived, None on an empty day."""

    date: date
    recordings: int
    size_bytes: int
    lag_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`days` are the last ones, today the last of them. `oldest_due_at` is the time of what waits longest for a run."""

    days: tuple[Day, ...]
    oldest_due_at: datetime | None
    delivered_at: datetime | None
    reconciled_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Span:
    recordings: int
    size_bytes: int
    lags_s: tuple[float, ...]


class Overviews:
    """Reads them. What was archived in a time that is over is read once, so that a view costs what one hour holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[datetime, datetime], _Span] = {}

    async def read(self, now: datetime) -> Overview:
        """Return the overview as of now; raises `StorageUnavailableError`."""
        spans = [(day, list(_spans(day, now))) for day in _days(now)]

        def read(tx: sa.Connection) -> Overview:
            days = tuple(_day(day, [self._span(tx, since, until, now) for since, until in of]) for day, of in spans)
            return Overview(
                days=days,
                oldest_due_at=_oldest_due_at(tx, now),
                delivered_at=tx.execute(sa.select(sa.func.max(deliveries.c.received_at))).scalar_one(),
                reconciled_at=tx.execute(sa.select(sa.func.max(reconciliations.c.ended_at))).scalar_one(),
            )

        overview = await self._database.read(read)
        oldest = spans[0][1][0][0]
        self._known = {span: known for span, known in self._known.items() if span[0] >= oldest}
        return overview

    def _span(self, tx: sa.Connection, since: datetime, until: datetime, now: datetime) -> _Span:
        if (known := self._known.get((since, until))) is not None:
            return known
        span = _read_span(tx, since, until)
        if until + _SETTLED_AFTER <= now:
            self._known[since, until] = span
        return span


def _days(now: datetime) -> list[date]:
    return [(now - timedelta(days=ago)).date() for ago in reversed(range(DAYS))]


def _spans(day: date, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield a past day as a whole, and today by its hours."""
    begin = datetime.combine(day, time(), UTC)
    if day != now.date():
        yield begin, begin + timedelta(days=1)
        return
    for hour in range(now.hour + 1):
        yield begin + timedelta(hours=hour), begin + timedelta(hours=hour + 1)


def _read_span(tx: sa.Connection, since: datetime, until: datetime) -> _Span:
    c = recordings.c
    within = (c.archived_at >= since, c.archived_at < until)
    totals = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(c.size_bytes), 0)).where(*within)
    count, size_bytes = tx.execute(totals).one()
    if not count:
        return _Span(0, 0, ())
    last = sa.select(c.archived_at, c.first_seen_at).where(*within).order_by(c.archived_at.desc()).limit(_MOST_LAGS)
    lags = tuple(max(0.0, (row.archived_at - row.first_seen_at).total_seconds()) for row in tx.execute(last))
    return _Span(count, int(size_bytes), lags)


def _day(day: date, spans: list[_Span]) -> Day:
    from statistics import median  # noqa: PLC0415  (fractions, and more that an idle process has no use for)

    lags = [lag for span in spans for lag in span.lags_s]
    return Day(
        date=day,
        recordings=sum(span.recordings for span in spans),
        size_bytes=sum(span.size_bytes for span in spans),
        lag_s=median(lags) if lags else None,
    )


def _oldest_due_at(tx: sa.Connection, now: datetime) -> datetime | None:
    """Look at the end of the index for each state alone: how much waits makes no difference."""
    c = recordings.c
    due = [
        tx.execute(sa.select(sa.func.min(c.next_attempt_at)).where(c.state == state)).scalar_one()
        for state in (State.PENDING, State.WAITING)
    ]
    return min((at for at in due if at is not None and at <= now), default=None)
