"""Which jobs may run now: at most so many in this process, and fewer of one download host, so that others find a slot.

A job that finds no slot waits in line, the best priority first. Where the line is short, the last of a host is put
back into the queue for a while: not longer than it takes to look at all that were put back before, ten a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from bisect import insort
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from pgqueuer.errors import RetryRequested

from receiver import metrics
from receiver.backoff import growing_pause_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pgqueuer.models import Job

_HOST = "host"
_SPACING_S = 0.1
"""Between two jobs that come back: their number costs nothing then, only the time until each is looked at again."""
_FAR_S = 100.0
"""Where jobs that were put back come this late, the queue's rest is looked at no faster than they come back."""
_FIRST_S = 0.5
_LONGEST_S = 10.0


def headers(host: str | None) -> dict[str, str] | None:
    """Return what a job carries so that its host is known without a look at the row; other releases ignore it."""
    return {_HOST: host} if host else None


@dataclass(order=True, slots=True)
class _Waiting:
    rank: int
    number: int
    host: str | None = field(compare=False)
    attempts: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Slots:
    """`line` is how many jobs of one host may wait here; None for any number. A job of no known host is of none."""

    def __init__(self, total: int, *, per_host: int | None, line: int | None) -> None:
        self._total = total
        self._per_host = per_host
        self._most_waiting = line
        self._running: Counter[str | None] = Counter()
        self._line: list[_Waiting] = []
        self._numbers = count()
        self._back_at = 0.0
        """When the last job that was put back comes again, by the loop's clock."""
        self._freed = asyncio.Event()
        self._closed = False
        metrics.slots.set(total)
        metrics.slots_used.set_function(self._running.total)

    @property
    def free(self) -> int:
        """How many more jobs may run, if they are of the right hosts."""
        return self._total - self._running.total()

    @asynccontextmanager
    async def slot(self, job: Job) -> AsyncIterator[None]:
        """Hold a slot for the length of the block; raises `RetryRequested` for a job that must come again."""
        host = str((job.headers or {}).get(_HOST) or "") or None
        if self._closed:
            raise RetryRequested
        if self._has_room(host):
            self._running[host] += 1
        else:
            await self._wait(_Waiting(-job.priority, next(self._numbers), host, job.attempts, _future()))
        try:
            yield
        finally:
            self._leave(host)

    def close(self) -> None:
        """Give no slot any more: jobs that wait go back to the queue at once."""
        self._closed = True
        for waiting in self._line:
            waiting.turn.set_exception(RetryRequested())
        self._line.clear()

    async def rest(self, jobs: int) -> None:
        """Wait, once very many were put back, as long as `jobs` of them take to come again; or for a slot."""
        if self._back_at - asyncio.get_running_loop().time() < _FAR_S:
            return
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(jobs * _SPACING_S):
                await self._freed.wait()

    def _has_room(self, host: str | None) -> bool:
        if not self.free:
            return False
        return host is None or self._per_host is None or self._running[host] < self._per_host

    async def _wait(self, waiting: _Waiting) -> None:
        insort(self._line, waiting)
        own = [other for other in self._line if other.host == waiting.host]
        if self._most_waiting is not None and len(own) > self._most_waiting:
            self._line.remove(own[-1])
            own[-1].turn.set_exception(RetryRequested(self._delay(own[-1].attempts)))
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._line:
                self._line.remove(waiting)
            elif not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._leave(waiting.host)  # it was given its slot and cancelled in the same turn of the loop
            raise

    def _leave(self, host: str | None) -> None:
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]
        for waiting in tuple(self._line):
            if self._has_room(waiting.host):
                self._line.remove(waiting)
                self._running[waiting.host] += 1
                waiting.turn.set_result(None)
        self._freed.set()

    def _delay(self, attempts: int) -> timedelta:
        now = asyncio.get_running_loop().time()
        self._back_at = max(self._back_at, now) + _SPACING_S
        grown_s = growing_pause_s(attempts + 1, _FIRST_S, _LONGEST_S) * random.uniform(0.5, 1)  # noqa: S311
        return timedelta(seconds=max(grown_s, self._back_at - now))


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
