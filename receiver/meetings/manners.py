"""When a request may be sent: at the agreed rate, not during a pause, not to an API that is known to be down."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.errors import ApiBadAnswerError, ApiPausedError, ApiUnavailableError
from receiver.meetings.breaker import Breaker, BreakerState
from receiver.meetings.pause import Pause
from receiver.meetings.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.meetings.pause import SharedPause
    from receiver.meetings.wire import Answer

_UNTOLD_PAUSE_S = 1.0
"""The pause after a 429 that names none."""
_PROBED = "this was the one question that finds out whether it is back, so the try is not counted"

log = logs.get("meetings_api")


class Manners:
    """Shared by all requests of a client; `patience_s` is the longest that one of them waits in a pause."""

    def __init__(self, *, patience_s: float, rate_per_s: float | None, shared: SharedPause | None) -> None:
        self._pause = Pause(patience_s=patience_s, shared=shared)
        self._rate = Rate(rate_per_s)
        self._breaker = Breaker()

    async def send(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
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
