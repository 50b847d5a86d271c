from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.meetings.pacing import Rate


@pytest.mark.parametrize(
    ("per_s", "at", "waits"),
    [
        (2, [0, 0, 0, 0], [0, 0, 0.5, 1]),  # a second's worth at once, then each in its turn
        (2, [0, 0, 5, 5, 5], [0, 0, 0, 0, 0.5]),  # a rest saves a second's worth, not more
        (2, [0, 0, 0, 0.5, 1], [0, 0, 0.5, 0.5, 0.5]),
        (0.5, [0, 0, 1, 100, 100], [0, 2, 3, 0, 2]),  # slower than one a second: nothing is saved
        (None, [0] * 5, [0] * 5),
    ],
)
def test_slots(per_s, at, waits):
    rate = Rate(per_s)
    assert [rate.slot_in_s(now) for now in at] == waits


@given(
    per_s=st.floats(0.1, 1000),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_second_has_more_than_two_seconds_worth(per_s, gaps):
    rate, now, sent = Rate(per_s), 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + rate.slot_in_s(now))
    most = max(1, per_s) + per_s + 1
    assert all(sum(start <= one < start + 1 for one in sent) <= most for start in sent)
