"""How options read times and sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from receiver.cli.types import Moment, Size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T09:30", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:15Z", datetime(2026, 1, 31, 9, 30, 15, tzinfo=UTC)),
        ("2026-01-31T09:30+02:00", datetime(2026, 1, 31, 7, 30, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text, expected):
    assert Moment().convert(text, None, None) == expected


@pytest.mark.parametrize(
    ("text", "age"), [("30s", timedelta(seconds=30)), ("12h", timedelta(hours=12)), ("30d", timedelta(days=30))]
)
def test_an_age_counts_back_from_now(text, age):
    before = datetime.now(UTC)
    found = Moment().convert(text, None, None)
    assert before - age <= found <= datetime.now(UTC) - age


@pytest.mark.parametrize("text", ["", "yesterday", "30", "30 days", "2026-13-01", "9999y", "0001-01-01T00:00+14:00"])
def test_other_times_are_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match=r"2026-01-31.*30d"):
        Moment().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("8MB", 8_000_000),
        ("8 mb", 8_000_000),
        ("1.5k", 1500),
        ("512kB", 512_000),
        ("1GiB", 1_073_741_824),
        ("17", 17),
        ("17B", 17),
    ],
)
def test_sizes(text, size_bytes):
    assert Size().convert(text, None, None) == size_bytes


@pytest.mark.parametrize("text", ["", "0", "-1MB", "8XB", "MB", "0.0001kB", "1TB"])
def test_other_sizes_are_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match="8MB"):
        Size().convert(text, None, None)
