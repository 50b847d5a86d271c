from __future__ import annotations

from datetime import UTC, datetime

import pytest

from receiver.backoff import growing_pause_s, retry_after_s

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0.5", 0.5),  # not of the RFC, but what else could it mean
        ("Fri, 27 Nov 2026 12:01:30 GMT", 90.0),
        ("Fri, 27 Nov 2026 12:01:30 -0000", 90.0),
        ("Fri, 27 Nov 2026 13:00:10 +0100", 10.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("Fri, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after_s(value, NOW) == seconds


def test_a_pause_doubles_from_the_first_try_on_up_to_its_most():
    assert [growing_pause_s(tries, 0.5, 3) for tries in range(6)] == [0, 0.5, 1, 2, 3, 3]
    assert growing_pause_s(10_000, 0.5) < float("inf")
