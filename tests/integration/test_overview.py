"""What the overview reads of the index, on both databases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import Overviews
from receiver.tables import recordings
from tests.support.operators import ARCHIVED, NOW, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


def archived(recording_id: str, ago: timedelta, lag: timedelta = timedelta(), **values: Any) -> dict[str, Any]:
    at = NOW - ago
    return row(recording_id, **(ARCHIVED | {"archived_at": at, "first_seen_at": at - lag, "size_bytes": 100} | values))


async def test_days_are_counted_summed_and_their_median_taken(database: Database):
    lags = (10, 20, 300)
    await add(
        database,
        *(archived(f"t{n}", timedelta(hours=n), timedelta(seconds=lag)) for n, lag in enumerate(lags)),
        archived("y1", timedelta(days=1), timedelta(seconds=7), size_bytes=2**40),
        archived("y2", timedelta(hours=12, seconds=1), timedelta(seconds=9)),
        archived("oldest", timedelta(days=13)),
        archived("older", timedelta(days=14)),
        archived("ahead", -timedelta(minutes=1), -timedelta(hours=1)),
        row("pending"),
    )
    overview = await Overviews(database).read(NOW)
    assert [day.date for day in overview.days] == [date(2026, 11, 10) + timedelta(days=n) for n in range(14)]
    today, yesterday = overview.days[-1], overview.days[-2]
    assert (today.recordings, today.size_bytes, today.lag_s) == (4, 400, 15.0)
    assert (yesterday.recordings, yesterday.size_bytes, yesterday.lag_s) == (2, 2**40 + 100, 8.0)
    assert (overview.days[0].recordings, overview.days[0].lag_s) == (1, 0.0)
    assert {(day.recordings, day.size_bytes, day.lag_s) for day in overview.days[1:-2]} == {(0, 0, None)}


def counted(statements: list[str]) -> int:
    return len([one for one in statements if "count(*)" in one and "archived_at" in one])


async def test_times_that_are_over_are_read_once_and_the_last_hour_each_time(database: Database):
    overviews = Overviews(database)
    await add(database, archived("old", timedelta(days=2)), archived("new", timedelta(minutes=1)))
    await overviews.read(NOW - timedelta(minutes=30))
    statements: list[str] = []
    await database.read(
        lambda tx: sa.event.listen(tx.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    )
    await add(database, archived("newest", -timedelta(minutes=3)))
    later = NOW + timedelta(minutes=4)
    overview = await overviews.read(later)
    assert (overview.days[-1].recordings, overview.days[-3].recordings) == (2, 1)
    assert counted(statements) == 2, "the hour that has just ended, and this one"
    await overviews.read(NOW + timedelta(minutes=5))
    statements.clear()
    await overviews.read(NOW + timedelta(minutes=20))
    assert counted(statements) == 1
    tomorrow = await overviews.read(NOW + timedelta(days=1))
    assert [day.recordings for day in tomorrow.days[-4:]] == [1, 0, 2, 0]


async def test_the_oldest_that_is_due_is_one_whose_time_has_come(database: Database):
    overviews = Overviews(database)
    assert (await overviews.read(NOW)).oldest_due_at is None
    await add(database, row("later", next_attempt_at=NOW + timedelta(hours=1)))
    assert (await overviews.read(NOW)).oldest_due_at is None
    await add(
        database,
        row("due", state="waiting", next_attempt_at=NOW - timedelta(hours=1)),
        row("more", next_attempt_at=NOW - timedelta(minutes=1)),
        row("done", state="failed", next_attempt_at=NOW - timedelta(days=1)),
    )
    assert (await overviews.read(NOW)).oldest_due_at == NOW - timedelta(hours=1)


async def test_no_span_is_read_by_a_scan(database: Database):
    """An index bounds what is read of a time, however many recordings there are."""
    c = recordings.c
    query = sa.select(sa.func.count()).where(c.archived_at >= NOW - timedelta(hours=1), c.archived_at < NOW)
    prefix = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"

    def plan(tx: sa.Connection) -> str:
        if not database.is_sqlite:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        compiled = str(query.compile(tx.engine, compile_kwargs={"literal_binds": True}))
        return " ".join(map(str, tx.exec_driver_sql(f"{prefix} {compiled}").all()))

    assert "ix_recordings_archived" in await database.read(plan)
