"""Work that waits without a worker: what the log, the metrics and `receiver check` say of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.app.check import Health
from receiver.app.check.work import judged
from receiver.app.watch import WorkSight, look_at_work, watch_work
from receiver.jobs import Jobs, open_jobs
from receiver.records import State
from receiver.tables import Database
from tests.support.databases import ON_POSTGRESQL
from tests.support.jobs import running
from tests.support.operators import add, row

if TYPE_CHECKING:
    from receiver.records import RecordingId


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return open_jobs(database, concurrency=1)


async def nothing(_: RecordingId) -> None: ...


async def test_what_is_due_is_counted_from_the_oldest(database: Database, jobs: Jobs) -> None:
    assert (await look_at_work(database, jobs)).due == 0
    later = datetime.now(UTC) + timedelta(hours=1)
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    seen = {"first_seen_at": datetime.now(UTC)}
    await add(
        database,
        row("old", state=State.PENDING, next_attempt_at=long_ago, **seen),
        row("due", state=State.WAITING, next_attempt_at=datetime.now(UTC), **seen),
        row("later", state=State.WAITING, next_attempt_at=later, first_seen_at=long_ago - timedelta(hours=1)),
        row("running", state=State.ARCHIVING, next_attempt_at=None, **seen),
        row("failed", state=State.FAILED, next_attempt_at=None, first_seen_at=long_ago - timedelta(days=1)),
    )
    sight = await look_at_work(database, jobs)
    assert sight.due == 2
    assert sight.oldest_due_s == pytest.approx(7200, abs=60)
    assert sight.oldest_waiting_s == pytest.approx(3 * 3600, abs=60), "it is not due, but not archived either"


async def test_a_running_engine_shows_itself(jobs: Jobs) -> None:
    assert await jobs.silent_s() is None
    async with running(jobs, nothing):
        async with asyncio.timeout(20):
            while (silent_s := await jobs.silent_s()) is None:
                await asyncio.sleep(0.05)
    assert silent_s < 20


@ON_POSTGRESQL  # SQLite's only worker is the process itself
async def test_work_without_a_worker_is_logged_until_there_is_one(database: Database, jobs: Jobs) -> None:
    await add(database, row("old", state=State.PENDING, next_attempt_at=datetime.now(UTC)))
    async with running(jobs, nothing), asyncio.timeout(20):
        while await jobs.silent_s() is None:
            await asyncio.sleep(0.05)
    late = sa.text("UPDATE pgqueuer SET execute_after = now() - interval '5 minutes'")
    await database.write(lambda tx: tx.execute(late))
    sight = await look_at_work(database, jobs)
    assert sight.has_no_worker
    stop = asyncio.Event()
    with capture_logs() as logged:
        watching = asyncio.create_task(watch_work(database, jobs, stop))
        async with asyncio.timeout(20):
            while not logged:
                await asyncio.sleep(0.05)
        stop.set()
        await watching
    assert [entry["event"] for entry in logged] == ["no_live_worker"]


@pytest.mark.parametrize(
    ("due", "oldest_due_s", "has_worker", "state", "words"),
    [
        (0, 0, True, Health.OK, "nothing is due"),
        (0, 0, False, Health.OK, "no worker lives just now"),
        (3, 5, True, Health.OK, "3 due, the first since 0:05"),
        (3, 5, False, Health.WRONG, "no worker lives"),
        (3, 7200, True, Health.WARNING, "3 due, the first since 2:00:00"),
    ],
)
def test_the_checks_line(due: int, oldest_due_s: float, has_worker: bool, state: Health, words: str) -> None:
    finding = judged(WorkSight(due=due, oldest_due_s=oldest_due_s, silent_s=0), has_worker=has_worker)
    assert finding.state is state
    assert words in finding.seen
