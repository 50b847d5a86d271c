"""The jobs that run now, and how they end: what both engines do alike."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pgqueuer.qm import QueueManager

from receiver import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from pgqueuer.core.buffers import JobStatusLogBuffer
    from pgqueuer.models import Job

    from receiver.jobs.slots import Slots

ENTRYPOINT = "archive"
"""pgqueuer's name for a recording's job."""
MAX_RANK = 10_000
_SCHEDULE_GRACE_S = 1.0
"""The rest of the grace is for transfers: a schedule bears to be cut off, and may be far from its end."""
_NOTED_AFTER_S = 0.1
_NOTED_AGAIN_AFTER = timedelta(seconds=2)
_log = logs.get("jobs")


class Engine(QueueManager):
    """pgqueuer's engine, which looks for ends of jobs to note when one has ended.

    It would look ten times a second, the greater part of what an idle process costs, and has no setting for that
    (1.6.0). What could not be noted is noted later.
    """

    async def _dispatch(self, job: Job, noting: JobStatusLogBuffer, *more: Any) -> None:
        noting.timeout = _NOTED_AGAIN_AFTER
        try:
            await super()._dispatch(job, noting, *more)
        finally:
            asyncio.get_running_loop().call_later(_NOTED_AFTER_S, noting.schedule_flush)


def priority(rank: int) -> int:
    """Return the engine's priority (higher goes first) of a recording with this rank in its meeting."""
    return -min(rank, MAX_RANK)


class Running:
    """Knows every job's task, since cancelling pgqueuer's own would not reach them."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._jobs: set[asyncio.Task[Any]] = set()
        self._schedules: set[asyncio.Task[Any]] = set()

    @contextmanager
    def task(self, *, is_schedule: bool = False) -> Iterator[None]:
        """Count the current task among those to be ended, for the length of the block."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a coroutine always runs in a task)
        self._jobs.add(task)
        if is_schedule:
            self._schedules.add(task)
        try:
            yield
        finally:
            self._jobs.discard(task)
            self._schedules.discard(task)

    @asynccontextmanager
    async def job(self, job: Job) -> AsyncIterator[None]:
        """Hold a slot for a job, which the current task runs in the block; raises as `Slots.slot` does."""
        with self.task():
            async with self._slots.slot(job):
                yield

    async def drive(
        self,
        engine: QueueManager,
        work: Coroutine[Any, Any, None],
        sweep: Coroutine[Any, Any, None],
        *,
        stop: asyncio.Event,
        grace_s: float,
    ) -> None:
        """Run the engine's `work` beside the `sweep` until `stop`, give running jobs `grace_s`, then cancel them.

        An end of either without `stop` is a failure, and raised.
        """
        working = asyncio.create_task(work, name="engine")
        sweeping = asyncio.create_task(sweep, name="sweep")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({working, sweeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            engine.shutdown.set()  # no new job starts; those that run go on
            self._slots.close()
            first_s = min(grace_s, _SCHEDULE_GRACE_S)
            await asyncio.wait({working}, timeout=first_s)
            for task in self._schedules:
                task.cancel()
            await asyncio.wait({working}, timeout=grace_s - first_s)
        finally:
            engine.shutdown.set()
            self._slots.close()
            for task in (sweeping, stopping, *self._jobs):
                task.cancel()
            ended = await asyncio.gather(working, sweeping, stopping, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                if not stop.is_set():
                    raise outcome
                _log.warning("engine_ended_badly", error=f"{type(outcome).__name__}: {outcome}")
