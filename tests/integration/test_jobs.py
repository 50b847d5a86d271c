"""One contract for both engines: rows decide, every due row gets its job, one run at a time, stop means stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import Catalogue, Interventions, Runs
from receiver.inbox import Inbox
from receiver.jobs import Jobs, MemoryJobs, open_jobs
from receiver.jobs.postgres import PostgresJobs
from receiver.records import RecordingId, State
from receiver.tables import Database, recordings
from tests.support.intake import STORED, accept
from tests.support.jobs import running
from tests.support.payloads import payload

CONCURRENCY = 2


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return open_jobs(database, concurrency=CONCURRENCY)


@pytest.fixture
def inbox(database: Database, jobs: Jobs) -> Inbox:
    return Inbox(database, jobs, keep_urls=False)


class Archiving:
    """A handler that archives at once, and remembers the order and how many ran together."""

    def __init__(self, database: Database, *, expected: int) -> None:
        self._runs = Runs(database)
        self._expected = expected
        self.done: list[RecordingId] = []
        self.together = self.most = 0
        self.all_done = asyncio.Event()

    async def __call__(self, recording_id: RecordingId) -> None:
        self.together += 1
        self.most = max(self.most, self.together)
        claim = await self._runs.claim(recording_id, now=utc_now())
        if claim is not None:
            await asyncio.sleep(0)
            await self._runs.finish(claim, STORED, now=utc_now())
            self.done.append(recording_id)
        self.together -= 1
        if len(self.done) >= self._expected:
            self.all_done.set()


def test_the_database_chooses_its_engine(database: Database, jobs: Jobs) -> None:
    assert type(jobs) is (MemoryJobs if database.is_sqlite else PostgresJobs)


async def test_every_recording_runs_once_and_within_the_limit(database: Database, jobs: Jobs, inbox: Inbox) -> None:
    handler = Archiving(database, expected=30)
    async with running(jobs, handler):
        for number in range(3):
            ids = [f"r{number}-{n}" for n in range(10)]
            await accept(inbox, payload(*ids, meeting_id=f"m{number}"), now=utc_now())
        await asyncio.wait_for(handler.all_done.wait(), 30)
    assert len(handler.done) == len(set(handler.done)) == 30
    assert handler.most <= CONCURRENCY
    assert (await Catalogue(database).counts())[State.ARCHIVED] == 30


async def test_rows_that_were_there_before_the_start_run(database: Database, jobs: Jobs, inbox: Inbox) -> None:
    await accept(inbox, payload("pending", "left-archiving"), now=utc_now())
    assert await Runs(database).claim(RecordingId("left-archiving"), now=utc_now()) is not None  # and then: killed
    handler = Archiving(database, expected=2)
    async with running(open_jobs(database, concurrency=CONCURRENCY), handler):
        await asyncio.wait_for(handler.all_done.wait(), 30)
    assert sorted(handler.done) == ["left-archiving", "pending"]


async def test_a_row_that_only_a_command_wrote_is_found_by_the_sweep(
    database: Database, jobs: Jobs, inbox: Inbox
) -> None:
    await accept(inbox, payload("a"), now=utc_now())
    await Interventions(database).cancel(RecordingId("a"))
    handler = Archiving(database, expected=1)
    async with running(jobs, handler):
        await Interventions(database).retry(RecordingId("a"), now=utc_now())
        await asyncio.wait_for(handler.all_done.wait(), 10)


async def test_a_row_is_not_run_before_its_time(database: Database, jobs: Jobs, inbox: Inbox) -> None:
    await accept(inbox, payload("later", "now"), now=utc_now())
    await database.write(
        lambda tx: tx.execute(
            sa.update(recordings)
            .where(recordings.c.id == "later")
            .values(state=State.WAITING, next_attempt_at=utc_now() + timedelta(hours=1))
        )
    )
    handler = Archiving(database, expected=1)
    async with running(jobs, handler):
        await asyncio.wait_for(handler.all_done.wait(), 30)
    assert handler.done == ["now"]


async def test_what_was_rolled_back_leaves_no_job(database: Database, jobs: Jobs, inbox: Inbox) -> None:
    def enqueue_and_fail(tx) -> None:
        jobs.enqueue(tx, [RecordingId("never")])
        raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError, match="rolled back"):
        await database.write(enqueue_and_fail)
    ran: list[RecordingId] = []
    first_sweep_over = asyncio.Event()

    async def note(recording_id: RecordingId) -> None:
        ran.append(recording_id)
        await Archiving(database, expected=1)(recording_id)
        first_sweep_over.set()

    async with running(jobs, note):
        await accept(inbox, payload("real"), now=utc_now())
        await asyncio.wait_for(first_sweep_over.wait(), 30)
    assert ran == ["real"]


async def test_a_crowded_meeting_takes_turns(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload(*(f"many-{n:02}" for n in range(40)), meeting_id="crowd"), now=utc_now())
    await accept(inbox, payload("lone", meeting_id="small"), now=utc_now() + timedelta(milliseconds=1))
    handler = Archiving(database, expected=41)
    async with running(open_jobs(database, concurrency=CONCURRENCY), handler):
        await asyncio.wait_for(handler.all_done.wait(), 60)
    assert handler.done.index(RecordingId("lone")) < 8


async def test_stop_waits_for_what_runs_and_cancels_after_the_grace(
    database: Database, jobs: Jobs, inbox: Inbox
) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def forever(_: RecordingId) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with running(jobs, forever, grace_s=0.1):
        await accept(inbox, payload("a"), now=utc_now())
        await asyncio.wait_for(began.wait(), 30)
        assert not cancelled.is_set()
    assert cancelled.is_set()


async def test_a_handler_that_raises_stops_nobody(database: Database, jobs: Jobs, inbox: Inbox) -> None:
    handler = Archiving(database, expected=1)

    async def moody(recording_id: RecordingId) -> None:
        if recording_id == "bad":
            raise RuntimeError("a defect")
        await handler(recording_id)

    async with running(jobs, moody):
        await accept(inbox, payload("bad", "good"), now=utc_now())
        await asyncio.wait_for(handler.all_done.wait(), 30)
    assert handler.done == ["good"]
