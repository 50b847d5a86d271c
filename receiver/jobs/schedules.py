"""What is done again and again, once for all processes: a job of the engine's that puts itself back for its period.

So claims, heartbeats and the end of a process are as they are for recordings. pgqueuer's own schedules are cron
expressions: they know no period such as 45 minutes and no first time soon after the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgqueuer.errors import RetryRequested

from receiver import logs, metrics
from receiver.errors import ReceiverError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from pgqueuer.models import Job
    from pgqueuer.ports import RepositoryPort
    from pgqueuer.qm import QueueManager

    from receiver.jobs.running import Running

_log = logs.get("jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`action` runs `first_after` the first start of any process, then `every` so long after its last end.

    It must bear to be cancelled, as it is soon after the process is told to stop, and to be run again after a process
    that died in it. What it raises is logged.
    """

    name: str
    every: timedelta
    first_after: timedelta
    action: Callable[[], Awaitable[None]]

    @property
    def entrypoint(self) -> str:
        """The engine's name and key of its one job."""
        return entrypoint_of(self.name)


def entrypoint_of(name: str) -> str:
    """Return the engine's name and key of a schedule's job; no recording's id has a colon."""
    return f"schedule:{name}"


def register(engine: QueueManager, running: Running, schedules: Sequence[Schedule]) -> None:
    """Let this process run the schedules' jobs."""
    for schedule in schedules:
        engine.entrypoint(schedule.entrypoint)(_runner(schedule, running))


def _runner(schedule: Schedule, running: Running) -> Callable[[Job], Awaitable[None]]:
    for outcome in ("done", "failed", "crashed"):
        metrics.schedule_runs.labels(schedule=schedule.name, outcome=outcome)

    async def run(_: Job) -> None:
        with running.task(is_schedule=True):
            outcome = "failed"
            try:
                await schedule.action()
                outcome = "done"
            except ReceiverError as e:
                _log.warning("schedule_failed", schedule=schedule.name, code=type(e).__name__, error=str(e))
            except Exception:  # noqa: BLE001  (one failure must not end the schedule)
                outcome = "crashed"
                _log.exception("schedule_crashed", schedule=schedule.name)
            metrics.schedule_runs.labels(schedule=schedule.name, outcome=outcome).inc()
        raise RetryRequested(schedule.every)

    return run


async def enqueue_schedules(queries: RepositoryPort, schedules: Sequence[Schedule]) -> None:
    """Add the jobs of schedules that have none."""
    if schedules:
        await queries.enqueue(
            [schedule.entrypoint for schedule in schedules],
            [None] * len(schedules),
            [0] * len(schedules),
            [schedule.first_after for schedule in schedules],
            dedupe_key=[schedule.entrypoint for schedule in schedules],
            on_conflict="skip",
        )
