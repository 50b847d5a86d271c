"""What may run together: of one download host, in one process, and in all processes; on both engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import Catalogue, Runs
from receiver.inbox import Inbox
from receiver.jobs import Jobs, MemoryJobs, open_jobs
from receiver.records import RecordingId, State
from receiver.tables import Database, recordings
from tests.support.intake import STORED, accept
from tests.support.jobs import running
from tests.support.payloads import payload

SLOW = "https://slow.example/a"
OTHER = "https://other.example/b"


class Held:
    """A handler whose recordings of the slow host stand still until `go_on`; the others are archived at once."""

    def __init__(self, database: Database) -> None:
        self._runs = Runs(database)
        self.go_on = asyncio.Event()
        self.changed = asyncio.Condition()
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: list[RecordingId] = []

    async def __call__(self, recording_id: RecordingId) -> None:
        kind = recording_id.partition("-")[0]
        claim = await self._runs.claim(recording_id, now=utc_now())
        if claim is None:
            return
        await self._count(kind, 1)
        if kind == "slow":
            await self.go_on.wait()
        await self._runs.finish(claim, STORED, now=utc_now())
        self.done.append(recording_id)
        await self._count(kind, -1)

    async def _count(self, kind: str, change: int) -> None:
        async with self.changed:
            self.running[kind] += change
            self.most[kind] = max(self.most[kind], self.running[kind])
            self.most["all"] = max(self.most["all"], self.running.total())
            self.changed.notify_all()

    async def until(self, *, running: int | None = None, done: int | None = None, timeout_s: float = 30) -> None:
        """Wait for so many running at once, or done."""
        async with asyncio.timeout(timeout_s), self.changed:
            await self.changed.wait_for(
                lambda: (
                    (running is None or self.running.total() >= running) and (done is None or len(self.done) >= done)
                )
            )


async def fill(
    database: Database, jobs: Jobs, count: int, *, ids: str = "slow-{}", meeting_id: str = "m-{}", url: str = SLOW
) -> None:
    """Take in so many recordings of the slow host, each of a meeting of its own unless one is named."""
    inbox = Inbox(database, jobs, keep_urls=False)
    bodies = [payload(ids.format(n), meeting_id=meeting_id.format(n), download_url=url) for n in range(count)]
    await asyncio.gather(*(accept(inbox, body, now=utc_now()) for body in bodies))


async def test_a_slow_host_keeps_no_other_from_a_place_however_much_of_it_is_due(database: Database) -> None:
    jobs = open_jobs(database, concurrency=4, host_concurrency=3)
    await fill(database, jobs, 500)
    handler = Held(database)
    async with running(jobs, handler):
        await handler.until(running=3)
        late = payload("other-1", "other-2", "other-3", meeting_id="late", download_url=OTHER)
        await accept(Inbox(database, jobs, keep_urls=False), late, now=utc_now())
        await handler.until(done=3)
        assert sorted(handler.done) == ["other-1", "other-2", "other-3"]
        assert handler.most == {"slow": 3, "other": 1, "all": 4}
        tried = await database.read(
            lambda tx: tx.execute(sa.select(recordings.c.id).where(recordings.c.attempts > 0)).all()
        )
        assert len(tried) == 3 + 3  # a job that found no place has not touched its row
        handler.go_on.set()
        await handler.until(done=40)
        assert handler.most["slow"] == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_work_that_ranks_better_does_not_let_one_host_fill_the_embedded_engine(database: Database) -> None:
    jobs = MemoryJobs(database, concurrency=4, host_concurrency=3)
    await fill(database, jobs, 40, meeting_id="crowd")
    await jobs._sweep()
    await fill(database, jobs, 100, ids="slow-first-{}")
    await jobs._sweep()
    assert len(jobs._carried) == 24
    late = payload("other", meeting_id="late", download_url=OTHER)
    await accept(Inbox(database, jobs, keep_urls=False), late, now=utc_now())
    await jobs._sweep()
    assert set(jobs._carried.values()) == {"slow.example", "other.example"}


async def test_what_was_put_back_runs_to_the_last(database: Database) -> None:
    jobs = open_jobs(database, concurrency=2, host_concurrency=1)
    await fill(database, jobs, 12)
    handler = Held(database)
    async with running(jobs, handler):
        await handler.until(running=1)
        handler.go_on.set()
        await handler.until(done=12)
    assert handler.most == {"slow": 1, "all": 1}
    assert (await Catalogue(database).counts())[State.ARCHIVED] == 12
    assert not getattr(jobs, "_carried", None)


async def test_a_small_meeting_takes_turns_with_a_crowded_one_of_the_same_full_host(database: Database) -> None:
    jobs = open_jobs(database, concurrency=2, host_concurrency=1)
    await fill(database, jobs, 40, meeting_id="crowd")
    handler = Held(database)
    async with running(jobs, handler):
        await handler.until(running=1)
        await accept(
            Inbox(database, jobs, keep_urls=False),
            payload("slow-late", meeting_id="small", download_url=SLOW),
            now=utc_now(),
        )
        handler.go_on.set()
        await handler.until(done=20)
    assert RecordingId("slow-late") in handler.done


async def test_stopped_while_many_wait_for_their_host_it_ends(database: Database) -> None:
    jobs = open_jobs(database, concurrency=4, host_concurrency=3)
    await fill(database, jobs, 40)
    handler = Held(database)
    async with running(jobs, handler, grace_s=0):
        await handler.until(running=3)
    assert handler.most["all"] == 3


async def test_recordings_of_no_known_host_may_take_every_place(database: Database) -> None:
    jobs = open_jobs(database, concurrency=3, host_concurrency=1)
    await fill(database, jobs, 5, url="not a URL")
    handler = Held(database)
    async with running(jobs, handler):
        await handler.until(running=3)
        handler.go_on.set()
        await handler.until(done=5)
    assert handler.most["all"] == 3


async def test_all_processes_together_stay_within_the_global_limit(database: Database) -> None:
    """Three engines of four places each on PostgreSQL; on SQLite there is one."""
    engines = [
        open_jobs(database, concurrency=4, host_concurrency=3, global_concurrency=5)
        for _ in range(1 if database.is_sqlite else 3)
    ]
    await fill(database, engines[0], 30)
    handler = Held(database)
    expected = 3 if database.is_sqlite else 5
    async with AsyncExitStack() as stack:
        for engine in engines:
            await stack.enter_async_context(running(engine, handler))
        await handler.until(running=expected)
        handler.go_on.set()
        await handler.until(done=30)
    assert handler.most["all"] == expected


async def test_on_one_process_the_global_limit_is_its_own(database: Database) -> None:
    jobs = open_jobs(database, concurrency=4, global_concurrency=2)
    await fill(database, jobs, 6)
    handler = Held(database)
    async with running(jobs, handler):
        await handler.until(running=2)
        handler.go_on.set()
        await handler.until(done=6)
    assert handler.most["all"] == 2
