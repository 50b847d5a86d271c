"""Schedules on both engines: once a period whatever the number of processes, and again after a death or a failure."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver import metrics
from receiver.app import utc_now
from receiver.errors import StoreUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import Jobs, Schedule, open_jobs
from receiver.records import RecordingId
from receiver.tables import Database
from tests.support.intake import accept
from tests.support.jobs import running
from tests.support.payloads import payload

HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=200)
AT_ONCE = timedelta(0)


class Action:
    """Counts how often it ran, and how often at once; raises `error` each time, if one is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.runs = self.together = self.most = 0
        self._ran = asyncio.Condition()

    async def __call__(self) -> None:
        self.together += 1
        self.most = max(self.most, self.together)
        async with self._ran:
            self.runs += 1
            self._ran.notify_all()
        await asyncio.sleep(0.01)
        self.together -= 1
        if self.error is not None:
            raise self.error

    async def until(self, runs: int) -> None:
        async with asyncio.timeout(20), self._ran:
            await self._ran.wait_for(lambda: self.runs >= runs)


async def nothing(_: RecordingId) -> None:
    return None


def engines(database: Database) -> list[Jobs]:
    return [open_jobs(database, concurrency=2) for _ in range(1 if database.is_sqlite else 3)]


def schedule(action: Action, *, every: timedelta = HOUR, first_after: timedelta = AT_ONCE, name: str = "a") -> Schedule:
    return Schedule(name=name, every=every, first_after=first_after, action=action)


async def test_in_a_period_all_processes_together_run_it_once(database: Database) -> None:
    hourly, ticking, later = Action(), Action(), Action()
    schedules = [
        schedule(hourly),
        schedule(ticking, every=TICK, name="b"),
        schedule(later, first_after=HOUR, name="c"),
    ]
    async with AsyncExitStack() as stack:
        for jobs in engines(database):
            await stack.enter_async_context(running(jobs, nothing, schedules=schedules))
        await hourly.until(1)
        await ticking.until(8)
    assert (hourly.runs, ticking.most, later.runs) == (1, 1, 0)


def ended(outcome: str) -> float:
    counted = {"schedule": "counted", "outcome": outcome}
    return metrics.registry.get_sample_value("receiver_schedule_runs_total", counted) or 0


@pytest.mark.parametrize(
    ("error", "outcome"), [(StoreUnavailableError("away"), "failed"), (RuntimeError("a defect"), "crashed")]
)
async def test_a_failure_does_not_end_it(database: Database, error: Exception, outcome: str) -> None:
    action, before = Action(error), ended(outcome)
    often = schedule(action, every=TICK, name="counted")
    async with running(open_jobs(database, concurrency=1), nothing, schedules=[often]):
        await action.until(3)
    assert ended(outcome) - before >= 2


async def test_it_runs_while_recordings_hold_every_place(database: Database) -> None:
    jobs, action, began = open_jobs(database, concurrency=1), Action(), asyncio.Event()

    async def forever(_: RecordingId) -> None:
        began.set()
        await asyncio.Event().wait()

    async with running(jobs, forever, grace_s=0, schedules=[schedule(action, every=TICK)]):
        await accept(Inbox(database, jobs, keep_urls=False), payload("a", "b"), now=utc_now())
        await asyncio.wait_for(began.wait(), 20)
        await action.until(action.runs + 2)


@pytest.mark.parametrize("grace_s", [0, 60], ids=["no grace", "a grace, which is for recordings"])
async def test_a_process_that_is_stopped_in_it_leaves_it_to_the_next(database: Database, grace_s: float) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    endless = Schedule(name="a", every=HOUR, first_after=AT_ONCE, action=stuck)
    async with running(open_jobs(database, concurrency=1), nothing, grace_s=grace_s, schedules=[endless]):
        await asyncio.wait_for(began.wait(), 20)
    assert cancelled.is_set()
    action = Action()
    async with running(open_jobs(database, concurrency=1), nothing, schedules=[schedule(action)]):
        await action.until(1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_a_process_died_in_is_run_by_another(database: Database) -> None:
    """The job is as a killed process leaves it: picked, and silent for longer than the heartbeat's time."""
    action = Action()
    await database.write(
        lambda tx: tx.execute(
            sa.text(
                "INSERT INTO pgqueuer (priority, status, entrypoint, dedupe_key, queue_manager_id, heartbeat) VALUES "
                "(0, 'picked', 'schedule:a', 'schedule:a', gen_random_uuid(), now() - interval '31 seconds')"
            )
        )
    )
    async with running(open_jobs(database, concurrency=1), nothing, schedules=[schedule(action, first_after=HOUR)]):
        await action.until(1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_its_time_outlives_the_processes(database: Database) -> None:
    """Every process restarts within the period: it is not run once a start."""
    action = Action()
    async with running(open_jobs(database, concurrency=1), nothing, schedules=[schedule(action)]):
        await action.until(1)
    ticking = Action()
    both = [schedule(action), schedule(ticking, every=TICK, name="b")]
    async with running(open_jobs(database, concurrency=1), nothing, schedules=both):
        await ticking.until(5)
    assert action.runs == 1
