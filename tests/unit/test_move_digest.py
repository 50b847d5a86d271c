"""What the proof of a move tells apart, and what it must not."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from receiver.tables import metadata
from receiver.tables.bulk import plain_json, plain_time
from receiver.tables.move import written

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
DIFFERENT: list[tuple[Any, ...]] = [
    (None,),
    ("",),
    (b"",),
    ("1",),
    (b"1",),
    (1,),
    (1.0,),
    (True,),
    (False,),
    (0.1,),
    (0.1 + 2**-56,),
    (0.0,),
    (-0.0,),
    (plain_time(AT),),
    (plain_time(AT + timedelta(microseconds=1)),),
    (AT.isoformat(),),
    ("[]",),
    ("{}",),
    ("[1]",),
    ("a", "bc"),
    ("ab", "c"),
    ("abc", None),
    (None, "abc"),
]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(DIFFERENT, 2)))
def test_no_two_different_rows_are_written_alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert written(one) != written(other)


def test_equal_values_are_written_alike() -> None:
    told = {AT, AT.astimezone(timezone(timedelta(hours=5, minutes=30)))}
    assert {plain_time(one) for one in told} == {plain_time("2026-11-22 12:00:00.123456")}
    assert plain_json({"a": 1, "b": [True, None]}) == plain_json({"b": [True, None], "a": 1})
    assert plain_time("2026-11-22 12:00:00") == plain_time(AT.replace(microsecond=0))


def test_no_column_is_read_back_as_less_than_it_holds() -> None:
    """JSON's null and SQL's NULL are both read as None, so a nullable JSON column would need a proof of its own."""
    for table in metadata.sorted_tables:
        assert not [c for c in table.columns if isinstance(c.type, sa.JSON) and c.nullable]
