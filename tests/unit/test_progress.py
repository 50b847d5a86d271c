"""Rate and time left of a transfer, from what its parts say."""

from __future__ import annotations

import pytest

from receiver.progress import Transfer


@pytest.mark.parametrize(
    ("bytes_done", "sent_bytes", "elapsed_s", "rate_bytes_s", "eta_s"),
    [
        (0, 0, 0.0, None, None),  # begun, no part yet
        (20, 20, 4.0, 5.0, 16.0),  # one part: 20 in 4 s, 80 left
        (60, 60, 12.0, 5.0, 8.0),
        (60, 20, 4.0, 5.0, 8.0),  # resumed: what earlier runs sent is done, but is not this run's speed
        (60, 0, 0.0, None, None),  # resumed, no part yet
        (20, 20, 0.0, None, None),  # a clock too coarse to tell
        (100, 60, 12.0, 5.0, 0.0),
        (120, 120, 12.0, 10.0, 0.0),  # never less than nothing is left
    ],
)
def test_rate_and_time_left_are_those_of_the_run_at_work(bytes_done, sent_bytes, elapsed_s, rate_bytes_s, eta_s):
    transfer = Transfer(bytes_done=bytes_done, size_bytes=100, sent_bytes=sent_bytes, elapsed_s=elapsed_s)
    assert (transfer.rate_bytes_s, transfer.eta_s) == (rate_bytes_s, eta_s)
