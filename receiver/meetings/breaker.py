"""When an API that fails is left alone, and when it is asked again."""

from __future__ import annotations

from enum import IntEnum


class BreakerState(IntEnum):
    """The numbers are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Closed until `failures` requests in a row failed; then open, and half-open for one probe at a time.

    It is open for `first_s`, twice as long after each probe that failed, at most `longest_s`. Pure: no clock. What
    became of a request counts for the state it was sent in; later it tells of a time gone by.
    """

    def __init__(self, *, failures: int = 5, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        self.state = BreakerState.CLOSED
        self._most = failures
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0
        self._open_s = first_s
        self._open_until = 0.0
        self._period = 0

    def enter(self, now: float) -> int | None:
        """Return the period that a request belongs to and let it go, or None: it may not go."""
        if self.state is BreakerState.OPEN and now >= self._open_until:
            self._become(BreakerState.HALF_OPEN)
            return self._period
        return self._period if self.state is BreakerState.CLOSED else None

    def left_s(self, now: float) -> float:
        """Return how many seconds after `now` it is worth trying to enter again; not zero while a probe is out."""
        return max(0.0, self._open_until - now) if self.state is BreakerState.OPEN else self._first_s

    def ended(self, period: int, *, is_up: bool | None, now: float) -> None:
        """Note what a request that entered said of the API; None where it was cut short and says nothing."""
        if period != self._period:
            return
        is_probe = self.state is BreakerState.HALF_OPEN
        if is_up:
            self._failures = 0
            if is_probe:
                self._become(BreakerState.CLOSED)
        elif is_up is None:
            if is_probe:
                self._open(now, 0.0)
        elif is_probe:
            self._open_s = min(2 * self._open_s, self._longest_s)
            self._open(now, self._open_s)
        else:
            self._failures += 1
            if self._failures >= self._most:
                self._failures, self._open_s = 0, self._first_s
                self._open(now, self._open_s)

    def _open(self, now: float, for_s: float) -> None:
        self._open_until = now + for_s
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._period += 1
