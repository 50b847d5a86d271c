"""How requests to the API are paced: at the agreed rate, not during a pause, not to an API that is known to be down."""

from __future__ import annotations

import asyncio
import time
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from receiver import logs, metrics
from receiver.errors import (
    LONGEST_WAIT_S,
    ApiBadAnswerError,
    ApiPausedError,
    ApiUnavailableError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.meetings.answer import ApiAnswer

_REST_S = 1.0
_UNTOLD_PAUSE_S = 1.0
"""The pause after a 429 that names none."""
_PROBED = "this was the one question that finds out whether it is back, so the try is not counted"

log = logs.get("meetings_api")


class RequestPolicy:
    """Shared by all requests of a client; `patience_s` is the longest that one of them waits in a pause."""

    def __init__(self, *, patience_s: float, rate_per_s: float | None, shared: SharedPause | None) -> None:
        self._pause = Pause(patience_s=patience_s, shared=shared)
        self._rate = Rate(rate_per_s)
        self._breaker = Breaker()

    async def send(self, request: Callable[[], Awaitable[ApiAnswer]]) -> ApiAnswer:
        """Send a request when its turn has come, and heed what its answer says.

        Raises `ApiPausedError` where its turn is too far away, and where it was the probe that found the API still
        down: that goes for all, so it is no try of the recording that it went with.
        """
        period = await self._turn()
        is_probe = self._breaker.state is BreakerState.HALF_OPEN
        is_up: bool | None = None  # cut short, it says nothing
        try:
            answer = await request()
            is_up = answer.status < 500
        except ApiBadAnswerError:
            is_up = True
            raise
        except ApiUnavailableError as e:
            is_up = False
            if is_probe:
                raise ApiPausedError(e.happened, _PROBED) from e
            raise
        finally:
            self._ended(period, is_up=is_up)
        if answer.status == 429 or (answer.status == 503 and answer.retry_after_s is not None):
            await self._pause.ask(_UNTOLD_PAUSE_S if answer.retry_after_s is None else answer.retry_after_s)
        if is_probe and not is_up:
            said = f"the Meetings API is not available (status {answer.status})"
            raise ApiPausedError(said, _PROBED, retry_after_s=answer.retry_after_s)
        return answer

    async def _turn(self) -> int:
        """Wait until a request may be sent and return the breaker's period that it belongs to."""
        await self._pause.waited()
        while (wait_s := self._rate.slot_in_s(time.monotonic())) > 0:
            await asyncio.sleep(wait_s)
            if not await self._pause.waited():  # a pause that began meanwhile lets all go at once: queue again
                break
        now = time.monotonic()
        period = self._breaker.enter(now)
        if period is None:
            left_s = self._breaker.left_s(now)
            raise ApiPausedError(
                "the Meetings API failed several times in a row (event api_breaker_opened) and is not asked for "
                f"{left_s:.0f} s more",
                retry_after_s=left_s,
            )
        metrics.api_breaker_state.set(self._breaker.state)
        return period

    def _ended(self, period: int, *, is_up: bool | None) -> None:
        before, now = self._breaker.state, time.monotonic()
        self._breaker.ended(period, is_up=is_up, now=now)
        after, left_s = self._breaker.state, self._breaker.left_s(now)
        metrics.api_breaker_state.set(after)
        match before, after:
            case BreakerState.CLOSED, BreakerState.OPEN:
                metrics.api_breaker_openings.inc()
                log.error("api_breaker_opened", seconds=round(left_s, 3))
            case BreakerState.HALF_OPEN, BreakerState.OPEN:
                log.warning("api_probe_failed", seconds=round(left_s, 3))
            case BreakerState.HALF_OPEN, BreakerState.CLOSED:
                log.info("api_breaker_closed")


class Rate:
    """Slots for requests: `per_s` a second in the long run, a second's worth at once after a rest. Pure: no clock."""

    def __init__(self, per_s: float | None) -> None:
        self._step_s = 0.0 if per_s is None else 1 / per_s
        self._free_at = float("-inf")

    def slot_in_s(self, now: float) -> float:
        """Take the next slot and return how many seconds after `now` it is; slots go out in the order of the calls."""
        saved_s = max(0.0, _REST_S - self._step_s)
        slot = max(self._free_at, now - saved_s)
        self._free_at = slot + self._step_s
        return max(0.0, slot - now)


class SharedPause(Protocol):
    """The end of the pause where all processes see it. Both raise `StorageUnavailableError` while they cannot."""

    async def left_s(self) -> float:
        """Return for how many seconds more nothing may be asked; 0 where there is no pause."""

    async def ask(self, seconds: float) -> None:
        """Hold back all processes for `seconds`; a pause that ends later stands."""


class Pause:
    """No request is sent before the latest `Retry-After` is over, whichever process was told it.

    What is `shared` is read before every request: a kept copy would let requests out after another process was told to
    wait, and hold them back after an operator has lifted the pause. Where it cannot be read, what this process knows of
    it still holds; what could not be shared holds in any case.
    """

    def __init__(self, *, patience_s: float, shared: SharedPause | None = None) -> None:
        self._patience_s = patience_s
        self._shared = shared
        self._until = 0.0
        self._unshared_until = 0.0
        self._told = 0

    async def ask(self, seconds: float) -> None:
        """Hold back all requests for `seconds`; a pause that ends later stands."""
        seconds = min(seconds, LONGEST_WAIT_S)
        until = time.monotonic() + seconds
        if until <= self._until:
            return
        self._until = self._unshared_until = until
        self._told += 1
        log.warning("api_paused", seconds=round(seconds, 3))
        if self._shared is not None:
            try:
                await self._shared.ask(seconds)
            except StorageUnavailableError as e:
                log.warning("api_pause_not_shared", error=str(e))
            else:
                if self._unshared_until == until:  # and no longer pause is on its way meanwhile
                    self._unshared_until = 0.0

    async def waited(self) -> bool:
        """Wait the pause out and tell whether there was one; raises `ApiPausedError` at once where it is too long."""
        give_up_at = time.monotonic() + self._patience_s
        was_paused = False
        while (left_s := await self._left_s()) > 0:
            if self._until > give_up_at:
                raise ApiPausedError(
                    f"the Meetings API asked for a pause that lasts {left_s:.0f} s more",
                    "nothing is asked before its end",
                    retry_after_s=left_s,
                )
            was_paused = True
            await asyncio.sleep(left_s)
        return was_paused

    async def _left_s(self) -> float:
        if self._shared is not None:
            told = self._told
            try:
                left_s = await self._shared.left_s()
            except StorageUnavailableError as e:
                log.warning("api_pause_unknown", error=str(e))
            else:
                own_until = self._unshared_until if told == self._told else self._until  # told while that was read
                self._until = max(own_until, time.monotonic() + left_s)
        return self._until - time.monotonic()


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
