"""How times lie in the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from receiver.tables.times import UtcDateTime, utc_text

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ELSEWHERE = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (NOON, "2026-11-22 12:00:00.000000"),
        (NOON + timedelta(microseconds=120), "2026-11-22 12:00:00.000120"),
        (NOON.astimezone(ELSEWHERE), "2026-11-22 12:00:00.000000"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00.000000"),
    ],
)
def test_sqlite_holds_text_that_sorts_and_gives_back_the_time_in_utc(time: datetime, text: str):
    assert utc_text(time) == text
    table = sa.Table("t", sa.MetaData(), sa.Column("at", UtcDateTime))
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), [{"at": time}, {"at": None}])
        assert connection.exec_driver_sql("SELECT at FROM t").scalars().all() == [text, None]
        found = connection.execute(sa.select(table.c.at).order_by(table.c.at.desc())).scalars().all()
        assert found == [time, None]
        assert found[0].utcoffset() == timedelta(0)
        assert connection.execute(sa.select(table.c.at).where(table.c.at >= time)).scalar_one() == time
    engine.dispose()


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        utc_text(NOON.replace(tzinfo=None))
