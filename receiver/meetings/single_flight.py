"""One piece of work that many callers wait for."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from receiver import traces
from receiver.errors import ApiUnavailableError, JobError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work in its own task: a waiter that is cancelled leaves it running for the others.

    `began` is None until the work's first step, and while it is None, the work will still see everything that
    happens. Of the first waiter's context the task has the trace alone, which its requests follow from: its log lines
    must not name that waiter's job.
    """

    def __init__(self, work: Callable[[float], Coroutine[Any, Any, T]]) -> None:
        self.began: float | None = None
        self._work = work
        context = contextvars.Context()
        context.run(traces.current.set, traces.current.get())
        self._task = asyncio.create_task(self._run(), context=context)
        self._task.add_done_callback(_look_at)

    async def _run(self) -> T:
        self.began = time.monotonic()
        return await self._work(self.began)

    async def settled(self) -> None:
        """Wait for the end, good or bad."""
        await asyncio.wait({self._task})

    async def result(self) -> T:
        """Wait for the end and return what came of it, or raise this waiter's own copy of the error."""
        await self.settled()
        if self._task.cancelled():
            raise ApiUnavailableError(
                "the service is shutting down",
                "the Meetings API was not asked to the end, and is after the next start",
            )
        error = self._task.exception()
        if isinstance(error, JobError):
            raise copy.copy(error) from error
        return self._task.result()

    async def end(self) -> None:
        """Cancel the work and wait until it is gone."""
        self._task.cancel()
        await self.settled()


def _look_at(task: asyncio.Task[Any]) -> None:
    """Retrieve the error, so that asyncio does not complain where every waiter had been cancelled."""
    if not task.cancelled():
        task.exception()
