"""Paces both sides of a process: part requests at once at the store, bytes a second from all sources."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_PAUSE_S = 10.0
"""A store that asks for a longer wait gets it between runs, not within one."""

_log = logs.get("transfer")


class Pace:
    """Requests with a body that are open at the store, over all copies of the process: additive increase, halved when
    the store fails one (503 SlowDown, 500, a time-out), as TCP's congestion window (RFC 5681) is.

    Of the requests that were open together, only the first to fail halves.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = float(most)
        self._open = 0
        self._halved_at = 0.0
        self._not_before = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, first come first served, and hold it for the block: one request to the store."""
        await self._enter()
        began_at = asyncio.get_running_loop().time()
        try:
            yield
        except StoreUnavailableError as e:
            self._slow_down(began_at, e.retry_after_s or 0.0)
            raise
        else:
            self.limit = min(self._most, self.limit + 1 / self.limit)
        finally:
            self._open -= 1
            self._admit()

    async def _enter(self) -> None:
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        self._waiting.append(place)
        self._admit()
        try:
            await place
            await asyncio.sleep(self._not_before - loop.time())
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._open -= 1
            with suppress(ValueError):
                self._waiting.remove(place)
            self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self._open < max(1, int(self.limit)):
            place = self._waiting.popleft()
            if not place.cancelled():
                self._open += 1
                place.set_result(None)

    def _slow_down(self, began_at: float, retry_after_s: float) -> None:
        now = asyncio.get_running_loop().time()
        self._not_before = max(self._not_before, now + min(retry_after_s, LONGEST_PAUSE_S))
        if began_at >= self._halved_at:
            self.limit = max(1.0, self.limit / 2)
            self._halved_at = now
            metrics.store_slowdowns.inc()
            _log.warning("store_slowed_down", requests_at_once=int(self.limit))


class Throttle:
    """Spreads bytes over time so that all who take together stay at `rate_bytes_s`; safe to use from many threads."""

    def __init__(self, rate_bytes_s: float) -> None:
        self._rate_bytes_s = rate_bytes_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait_s(self, size_bytes: int, now_s: float) -> float:
        """Take so many bytes at a monotonic time; return how long to wait before the next are taken."""
        with self._lock:
            self._free_at = max(self._free_at, now_s) + size_bytes / self._rate_bytes_s
            return self._free_at - now_s
