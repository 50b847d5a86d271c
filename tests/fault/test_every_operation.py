"""A job's N-th I/O operation fails, for N = 1, 2, 3 … until none is left to fail (in the manner of SQLite's tests).

Once as a passing fault, after which the job must end archived; once as a lasting one, which must leave a named state
and nothing half done, and, once it is mended, end archived too.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from receiver.catalogue import Catalogue, Runs
from receiver.errors import StorageUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import RetryPolicy
from receiver.meetings import ApiConfig, open_api
from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.pipeline import KeyTemplate, Pipeline, PipelineParts
from receiver.records import Origin, Recording, RecordingId, State
from receiver.tables import open_database
from receiver.transfer import DownloadPolicy, open_copier
from tests.support.copying import limits
from tests.support.databases import ON_SQLITE
from tests.support.intake import accept
from tests.support.operations import CountedDatabase, CountedProxy, Fate, Operations, counted_listing, counted_source
from tests.support.payloads import payload
from tests.support.s3 import KnownStore
from tests.support.scripted_api import KEY, ScriptedApi, scripted_api
from tests.support.source_server import MIB, Content, SourceServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.source_server import Request

SIZES = {"one request": Content(40 * 1024), "three parts": Content(11 * MIB)}
RUNS_AT_MOST = 6


class Job:
    """One recording and all that its job talks to; `work` runs it once."""

    def __init__(self, recording_id: RecordingId, database: CountedDatabase, pipeline: Pipeline) -> None:
        self.recording_id = recording_id
        self.database = database
        self._pipeline = pipeline

    async def work(self) -> Recording:
        await self._pipeline.run(self.recording_id)
        return await self.recording()

    async def recording(self) -> Recording:
        return await Catalogue(self.database).recording(self.recording_id)


class World:
    """The parts, opened once; the operations and the recording are new for every job."""

    def __init__(self, stack: AsyncExitStack, bucket: Bucket, database_url: str) -> None:
        self._stack = stack
        self.bucket = bucket
        self._url = database_url
        self._numbers = itertools.count(1)
        self.operations = Operations(0, Fate.FINE, lasting=False)
        self.content = SIZES["one request"]

    async def open(self, seaweed_url: str, attempts: int) -> None:
        enter = self._stack.enter_async_context
        self._source = await enter(SourceServer(self._serve))
        self._api: ScriptedApi = await enter(scripted_api())
        self._api.listing = self._listing
        self._proxy = await enter(CountedProxy(seaweed_url))
        self._store = await enter(
            open_bucket(
                BucketConfig(
                    bucket=self.bucket.name,
                    endpoint_url=self._proxy.endpoint_url,
                    region="us-east-1",
                    progress_timeout_s=5,
                    attempts=attempts,
                )
            )
        )
        policy = DownloadPolicy(
            origins=(Origin("http", "127.0.0.1", self._source.port),), networks=(ip_network("127.0.0.0/8"),)
        )
        self._copier = await enter(open_copier(policy, limits()))
        self._client = await enter(open_api(ApiConfig(url=self._api.url, credentials=lambda: KEY, listing_max_age_s=0)))
        database = open_database(self._url)
        self._stack.push_async_callback(database.close)
        self._database = CountedDatabase(database)

    def _serve(self, request: Request):
        return counted_source(self.operations, self.content, request)

    async def _listing(self, request: web.Request) -> web.Response:
        room = request.path.rsplit("/", 1)[1]
        url = self._source.url(f"/{room}?Signature=s1gn&Expires=9999999999")
        entry = {"_id": room.replace("meeting", "recording"), "room_id": room, "download_url": url}
        return counted_listing(self.operations, web.json_response([entry]))

    async def job(self, operations: Operations) -> Job:
        """Accept a new recording; only what its runs do is counted."""
        name = f"-{next(self._numbers):06d}"
        recording_id = RecordingId("recording" + name)
        self.operations = self._database.operations = self._proxy.operations = Operations(0, Fate.FINE, lasting=False)
        inbox = Inbox(self._database, MemoryJobs(self._database, concurrency=1), keep_urls=False)
        await accept(inbox, payload(recording_id, meeting_id="meeting" + name), now=datetime.now(UTC))
        self.operations = self._database.operations = self._proxy.operations = operations
        return Job(recording_id, self._database, self._pipeline())

    def _pipeline(self) -> Pipeline:
        return Pipeline(
            PipelineParts(
                runs=Runs(self._database),
                api=self._client,
                copier=self._copier,
                bucket=self._store,
                store=KnownStore(),
                keys=KeyTemplate("", "recordings/{recording_id}"),
                retries=RetryPolicy(max_attempts=50, base_s=0, cap_s=0),
                listing_grace_s=60,
                note_every_s=0,
                clock=lambda: datetime.now(UTC),
                jitter=lambda: 0.0,
            )
        )

    async def assert_nothing_half_done(self, recording: Recording) -> None:
        """I2 to I7 for this recording's corner of the bucket."""
        key = f"recordings/{recording.id}"
        found = {found async for found in self.bucket.keys(key)}
        if recording.state is State.ARCHIVED:
            assert recording.archive is not None
            assert recording.archive.sha256 == self.content.sha256
            head = await self.bucket.head(recording.archive.key)
            assert head is not None
            assert (head.size_bytes, head.checksum) == (self.content.size, recording.archive.checksum)
            assert found == {head.key, f"{head.key}.json"}
            assert await self.bucket.open_uploads(key) == []
            return
        assert recording.state in {State.PENDING, State.ARCHIVING, State.WAITING}
        assert recording.state is not State.WAITING or recording.error is not None
        whole = [k for k in found if not k.endswith(".json")]
        for k in whole:  # stored and not yet recorded: only ever the whole file
            head = await self.bucket.head(k)
            assert head is not None
            assert head.size_bytes == self.content.size


@pytest.fixture
async def world(request, seaweed, bucket, database_url) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(stack, bucket, database_url)
        await made.open(seaweed.endpoint_url, getattr(request, "param", 2))
        yield made


@asynccontextmanager
async def nth_failing(world: World, nth: int, fate: Fate, *, lasting: bool) -> AsyncIterator[tuple[Job, Operations]]:
    operations = Operations(nth, fate, lasting=lasting)
    job = await world.job(operations)
    try:
        yield job, operations
    except (AssertionError, TimeoutError) as e:
        e.add_note(f"operation {nth} {fate.value}, lasting={lasting}: {operations.failed[:5]} of {operations.names}")
        raise


async def until_archived(job: Job) -> Recording:
    for _ in range(RUNS_AT_MOST):
        recording = await job.work()
        if recording.state is State.ARCHIVED:
            return recording
    raise AssertionError(f"after {RUNS_AT_MOST} runs: {recording.state} {recording.error}")


@pytest.mark.parametrize(
    ("size", "database_url"),
    [("one request", "sqlite"), ("three parts", "sqlite"), ("one request", "postgresql")],  # parts are the store's
    indirect=["database_url"],
)
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNANSWERED])
async def test_a_passing_fault_of_any_operation_is_survived(world: World, size: str, fate: Fate) -> None:
    world.content = SIZES[size]
    for nth in itertools.count(1):
        async with asyncio.timeout(30), nth_failing(world, nth, fate, lasting=False) as (job, operations):
            recording = await until_archived(job)
            await world.assert_nothing_half_done(recording)
        if not operations.failed:
            assert nth > 7, operations.names  # a small file takes seven operations, as its store tells the checksum
            break


@pytest.mark.parametrize("world", [1], indirect=True, ids=["asked once"])  # a second time it would be no better
@ON_SQLITE  # what a lasting fault leaves lies in the bucket; that either database may fail is shown above
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNANSWERED])
async def test_a_lasting_fault_from_any_operation_on_leaves_nothing_half_done(
    world: World, size: str, fate: Fate
) -> None:
    world.content = SIZES[size]
    for nth in itertools.count(1):
        async with asyncio.timeout(60), nth_failing(world, nth, fate, lasting=True) as (job, operations):
            await world.assert_nothing_half_done(await job.work())
            operations.heal()
            recording = await until_archived(job)
            await world.assert_nothing_half_done(recording)
        if not operations.failed:
            break


async def test_the_counted_database_loses_and_hides_what_it_says(world: World) -> None:
    """The fakes of this file do what their names say, or the sweep would prove nothing."""
    for fate, kept in ((Fate.LOST, State.PENDING), (Fate.UNANSWERED, State.ARCHIVING)):
        operations = Operations(1, fate, lasting=False)
        job = await world.job(operations)
        with pytest.raises(StorageUnavailableError):
            await Runs(job.database).claim(job.recording_id, now=datetime.now(UTC))
        assert (await job.recording()).state is kept
        assert operations.failed == ["database write"]
