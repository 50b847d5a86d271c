"""Two machines on one database and one bucket: the second takes over what the first was in the middle of."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Runs
from receiver.errors import StorageUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import SUSPECT_AFTER, RetryPolicy
from receiver.pipeline import KeyTemplate, Pipeline, PipelineParts
from receiver.records import RecordingId, State
from receiver.tables import recordings
from tests.support.clock import NOW, now
from tests.support.copying import run_of
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.s3 import KnownStore
from tests.support.source_server import MIB, Content, SourceServer, ranged

A = RecordingId("a")
CONTENT = Content(23 * MIB)
PART = 5 * MIB


class PausedRuns(Runs):
    """The runs of a machine that stands still (SIGSTOP) before it notes its part number `pause_at`."""

    def __init__(self, database, pause_at):
        super().__init__(database)
        self.pause_at = pause_at
        self.paused = asyncio.Event()
        self.awake = asyncio.Event()

    async def note_parts(self, claim, parts, *, elapsed_s):
        if parts[-1].number == self.pause_at:
            self.paused.set()
            await self.awake.wait()
        await super().note_parts(claim, parts, elapsed_s=elapsed_s)


@pytest.fixture
async def source():
    async with SourceServer(lambda r: ranged(CONTENT, r)) as source:
        yield source


@pytest.fixture
async def copier(source):
    async with run_of(source.url(), part_concurrency=1) as run:
        yield run.copier


@pytest.fixture
async def accepted(database, source):
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    await accept(inbox, payload("a", download_url=source.url("/a?Expires=9999999999&Signature=s1gn")), now=NOW)


def machine(runs, copier, bucket):
    return Pipeline(
        PipelineParts(
            runs=runs,
            api=None,
            copier=copier,
            bucket=bucket,
            store=KnownStore(),
            keys=KeyTemplate("", "recordings/{recording_id}"),
            retries=RetryPolicy(max_attempts=8, base_s=0, cap_s=0),
            listing_grace_s=60,
            note_every_s=0,
            clock=now,
            jitter=lambda: 0.5,
        )
    )


@pytest.fixture
async def paused(database, copier, bucket, accepted):
    """A machine that stands still with three parts in the store, two of them noted."""
    runs = PausedRuns(database, 3)
    running = asyncio.create_task(machine(runs, copier, bucket).run(A))
    await runs.paused.wait()
    yield runs, running
    runs.awake.set()
    await asyncio.wait([running])


async def assert_archived(database, bucket):
    recording = await Catalogue(database).recording(A)
    assert recording.state is State.ARCHIVED
    assert recording.archive.sha256 == CONTENT.sha256
    head = await bucket.head(recording.archive.key)
    assert (head.size_bytes, head.checksum) == (CONTENT.size, recording.archive.checksum)
    assert {key async for key in bucket.keys("")} == {head.key, f"{head.key}.json"}
    assert await bucket.open_uploads("") == []


async def test_the_second_machine_goes_on_and_the_first_stops_when_it_wakes(database, copier, bucket, source, paused):
    runs, running = paused
    source.requests.clear()
    stray = await bucket.begin_upload("recordings/a.mp4", content_type="video/mp4")
    neighbour = await bucket.begin_upload("recordings/a.mp4x", content_type="video/mp4")
    await machine(Runs(database), copier, bucket).run(A)
    assert stray not in await bucket.open_uploads("")
    assert await bucket.open_uploads("") == [neighbour]
    await bucket.abort_upload(neighbour)
    await assert_archived(database, bucket)
    asked = [request.headers["Range"] for request in source.requests]
    rest = [(first, first + PART - 1) for first in range(2 * PART, CONTENT.size - PART, PART)]
    assert asked == ["bytes=0-1023", *(f"bytes={first}-{last}" for first, last in rest), f"bytes={4 * PART}-"]
    runs.awake.set()
    await running
    await assert_archived(database, bucket)
    assert (await Catalogue(database).recording(A)).attempts == 1


async def test_a_first_machine_that_wakes_in_between_harms_nothing(database, copier, bucket, paused):
    """It finds its fence gone while the second is in the middle, and leaves the upload to it."""
    first_runs, first = paused
    second_runs = PausedRuns(database, 4)
    second = asyncio.create_task(machine(second_runs, copier, bucket).run(A))
    await second_runs.paused.wait()
    first_runs.awake.set()
    await first
    assert len(await bucket.open_uploads("")) == 1
    second_runs.awake.set()
    await second
    await assert_archived(database, bucket)


async def test_a_first_machine_that_is_stopped_ends_the_upload_and_the_next_begins_anew(
    database, copier, bucket, paused
):
    _, running = paused
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    paused[0].awake.set()
    assert await bucket.open_uploads("") == []
    await machine(Runs(database), copier, bucket).run(A)
    await assert_archived(database, bucket)


async def test_the_run_that_sets_a_recording_aside_ends_its_upload(database, copier, bucket, paused):
    """As if it had crashed alone."""
    crashed = sa.update(recordings).values(crashes=SUSPECT_AFTER)
    await database.write(lambda tx: tx.execute(crashed))
    await machine(Runs(database), copier, bucket).run(A)
    recording = await Catalogue(database).recording(A)
    assert (recording.state, recording.error.code, recording.attempts) == (State.WAITING, "worker_crashed", 0)
    assert recording.next_attempt_at - recording.error.at == timedelta(minutes=5)
    assert recording.transfer is None
    assert await bucket.open_uploads("") == []


async def test_a_database_that_takes_no_parts_for_a_while_does_not_end_the_copy(database, copier, bucket, accepted):
    class Away(Runs):
        async def note_parts(self, claim, parts, *, elapsed_s):
            raise StorageUnavailableError("away")

    await machine(Away(database), copier, bucket).run(A)
    await assert_archived(database, bucket)
