"""The breaker's table: what lets a request go, and when; times are seconds of no particular clock."""

from __future__ import annotations

import pytest

from receiver.meetings.pacing import Breaker, BreakerState

CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN


def breaker_after(outcomes: str, *, now: float = 100.0) -> Breaker:
    """Send one request after the other at `now`: `-` failed, `+` was answered, `?` was cut short."""
    breaker = Breaker(failures=3, first_s=2, longest_s=10)
    for outcome in outcomes:
        period = breaker.enter(now)
        assert period is not None
        breaker.ended(period, is_up={"-": False, "+": True, "?": None}[outcome], now=now)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("", CLOSED),
        ("--", CLOSED),
        ("---", OPEN),
        ("--+--", CLOSED),  # in a row
        ("--+---", OPEN),
        ("--?-", OPEN),  # what was cut short says nothing, either way
        ("-?????-", CLOSED),
    ],
)
def test_failures_in_a_row_open_it(outcomes, state):
    assert breaker_after(outcomes).state is state


def test_open_it_lets_nothing_go_until_its_time_is_over():
    breaker = breaker_after("---")
    assert (breaker.enter(100.0), breaker.left_s(100.0)) == (None, 2)
    assert (breaker.enter(101.5), breaker.left_s(101.5)) == (None, 0.5)
    assert breaker.enter(102.0) is not None


def test_half_open_it_lets_exactly_one_go():
    breaker = breaker_after("---")
    assert breaker.enter(102.0) is not None
    assert breaker.state is HALF_OPEN
    assert [breaker.enter(102.0 + second) for second in range(100)] == [None] * 100
    assert breaker.left_s(150.0) == 2


def test_a_probe_that_is_answered_closes_it_and_forgets_what_failed():
    breaker = breaker_after("---")
    breaker.ended(breaker.enter(102.0), is_up=True, now=103.0)
    assert breaker.state is CLOSED
    for _ in range(2):
        breaker.ended(breaker.enter(104.0), is_up=False, now=104.0)
    assert breaker.state is CLOSED
    breaker.ended(breaker.enter(104.0), is_up=False, now=104.0)
    assert (breaker.state, breaker.left_s(104.0)) == (OPEN, 2)


def test_each_probe_that_fails_doubles_the_time_up_to_the_longest():
    breaker, now = breaker_after("---"), 100.0
    waits = []
    for _ in range(5):
        waits.append(breaker.left_s(now))
        now += waits[-1]
        breaker.ended(breaker.enter(now), is_up=False, now=now)
    assert waits == [2, 4, 8, 10, 10]


def test_a_probe_that_is_cut_short_leaves_its_place_to_another():
    breaker = breaker_after("---")
    breaker.ended(breaker.enter(102.0), is_up=None, now=102.5)
    assert breaker.state is OPEN
    assert breaker.enter(102.5) is not None
    assert breaker.state is HALF_OPEN


@pytest.mark.parametrize("is_up", [True, False, None])
def test_what_was_sent_before_it_opened_changes_nothing_any_more(is_up):
    breaker = breaker_after("")
    early = breaker.enter(100.0)
    for _ in range(3):
        breaker.ended(breaker.enter(100.0), is_up=False, now=100.0)
    breaker.ended(early, is_up=is_up, now=101.0)
    assert (breaker.state, breaker.left_s(101.0)) == (OPEN, 1)
    probe = breaker.enter(102.0)
    breaker.ended(early, is_up=is_up, now=102.0)
    assert breaker.state is HALF_OPEN
    breaker.ended(probe, is_up=True, now=103.0)
    breaker.ended(early, is_up=is_up, now=103.0)
    assert breaker.state is CLOSED
