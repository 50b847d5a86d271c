"""What the proof of a move tells apart, and what it must not."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from receiver.tables import metadata
from receiver.tables.move import _encoded

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
    (AT,),
    (AT + timedelta(microseconds=1),),
    (AT.isoformat(),),
    ([],),
    ({},),
    ([1],),
    ({"a": None},),
    ("a", "bc"),
    ("ab", "c"),
    ("abc", None),
    (None, "abc"),
]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(DIFFERENT, 2)))
def test_no_two_different_rows_are_written_alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert b"".join(map(_encoded, one)) != b"".join(map(_encoded, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AT, AT.astimezone(timezone(timedelta(hours=5, minutes=30)))),
        ({"a": 1, "b": [True, None]}, {"b": [True, None], "a": 1}),
    ],
)
def test_equal_values_are_written_alike(one: Any, other: Any) -> None:
    assert _encoded(one) == _encoded(other)


def test_no_column_is_read_back_as_less_than_it_holds() -> None:
    """JSON's null and SQL's NULL are both read as None, so a nullable JSON column would need a proof of its own."""
    for table in metadata.sorted_tables:
        assert not [c for c in table.columns if isinstance(c.type, sa.JSON) and c.nullable]
