"""Failures counted by address: for how long, what one address is, and how many are kept."""

from __future__ import annotations

from receiver.operators.throttle import MAX_ADDRESSES, MAX_FAILURES, WINDOW_S, FailureThrottle


def test_the_window_slides():
    throttle = FailureThrottle()
    for second in range(MAX_FAILURES):
        assert throttle.failed("a", float(second)) is None
    assert throttle.failed("a", 59.0) == 1.0
    assert throttle.failed("a", WINDOW_S) is None  # only the failure at 0 has left the window
    assert throttle.failed("a", WINDOW_S) == 1.0


def test_an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4():
    throttle = FailureThrottle()
    for i in range(MAX_FAILURES):
        assert throttle.failed(f"2001:db8::{i:x}", 0.0) is None
    assert throttle.failed("2001:db8::ffff:1", 0.0) == WINDOW_S
    assert throttle.failed("2001:db8:0:1::1", 0.0) is None
    for _ in range(MAX_FAILURES):
        throttle.failed("::ffff:192.0.2.1", 0.0)
    assert throttle.failed("192.0.2.1", 0.0) == WINDOW_S


def test_memory_is_bounded_and_the_longest_quiet_address_goes_first():
    throttle = FailureThrottle()
    for _ in range(MAX_FAILURES):
        throttle.failed("10.0.0.1", 0.0)
    for i in range(MAX_ADDRESSES - 1):
        throttle.failed(f"host-{i}", 0.0)
    assert len(throttle._failures) == MAX_ADDRESSES
    assert throttle.failed("10.0.0.1", 1.0) == 59.0  # still known, and now the newest
    throttle.failed("one-more", 1.0)
    assert len(throttle._failures) == MAX_ADDRESSES
    assert "host-0" not in throttle._failures
    assert throttle.failed("10.0.0.1", 1.0) == 59.0
