"""How figures are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from receiver import figures
from receiver.progress import Transfer


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (8_000_000, "8.0 MB"),
        (53_687_091_200, "53.7 GB"),
        (4_000_000_000_000_000, "4000.0 TB"),
    ],
)
def test_sizes(size_bytes, shown):
    assert figures.size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s"),
        (8.9, "8 s"),
        (60, "1 min"),
        (72, "1 min 12 s"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_spans(seconds, shown):
    assert figures.span(seconds) == shown
    assert figures.ago(seconds) == f"{'1 min' if seconds == 72 else shown} ago"


@pytest.mark.parametrize(
    ("bytes_done", "sent_bytes", "elapsed_s", "shown"),
    [
        (0, 0, 0.0, "0 % of 1.2 GB"),
        (504_000_000, 0, 0.0, "42 % of 1.2 GB"),
        (504_000_000, 180_000_000, 10.0, "42 % of 1.2 GB, 18.0 MB/s, 0:39 left"),
        (504_000_000, 2_000_000, 10.0, "42 % of 1.2 GB, 200.0 kB/s, 58:00 left"),
        (504_000_000, 1_000_000, 10.0, "42 % of 1.2 GB, 100.0 kB/s, 1:56:00 left"),
        (1_199_999_999, 1_199_999_999, 10.0, "99 % of 1.2 GB, 120.0 MB/s, 0:00 left"),
    ],
)
def test_progress(bytes_done, sent_bytes, elapsed_s, shown):
    transfer = Transfer(bytes_done=bytes_done, size_bytes=1_200_000_000, sent_bytes=sent_bytes, elapsed_s=elapsed_s)
    assert figures.progress(transfer) == shown


def test_times_are_shown_in_utc():
    at = datetime(2023, 7, 21, 16, 40, 14, 999, tzinfo=timezone(timedelta(hours=3)))
    assert figures.moment(at) == "2023-07-21 13:40:14Z"
    assert figures.moment(at.astimezone(UTC)) == "2023-07-21 13:40:14Z"
    assert figures.moment(None) == "-"


def test_reading_back_is_told_in_the_place_of_sending():
    transfer = Transfer(bytes_done=1_200_000_000, size_bytes=1_200_000_000, read_back_bytes=504_000_000)
    assert figures.progress(transfer) == "sent, 504.0 MB of 1.2 GB read back"
