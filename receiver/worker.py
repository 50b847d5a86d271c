"""The worker's edge: jobs in, runs of the pipeline out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver import logs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from receiver.jobs import Jobs, Schedule
    from receiver.pipeline import Pipeline

_log = logs.get("worker")


class Worker:
    """Runs recordings until it is told to stop, then gives running ones `grace_s` to end."""

    def __init__(self, jobs: Jobs, pipeline: Pipeline, *, grace_s: float, schedules: Sequence[Schedule] = ()) -> None:
        self._jobs = jobs
        self._pipeline = pipeline
        self._grace_s = grace_s
        self._schedules = schedules

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what does not end within the grace is handed back and runs again later."""
        _log.info("worker_started")
        await self._jobs.run(self._pipeline.run, stop=stop, grace_s=self._grace_s, schedules=self._schedules)
        _log.info("worker_stopped")
