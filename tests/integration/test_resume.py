"""Another run goes on with the parts that are in the store: nothing is sent twice, nothing unproven counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from receiver.errors import FenceLostError, SourceNotMediaError, SourceUnavailableError, StoreUnavailableError
from receiver.records import UploadedPart
from tests.support.copying import run_of
from tests.support.memory_target import MemoryTarget, PartFault, checksum_of
from tests.support.source_server import MIB, Answer, Content, SourceServer, ranged, whole

CONTENT = Content(23 * MIB + 7)
PART = 5 * MIB
PARTS = 5
HEAD = 1024
KEY = "recordings/r1.mp4"


class Killed(MemoryTarget):
    """Its run's cleanups reach nothing, as those of a process that is gone."""

    def __init__(self, target):
        super().__init__()
        self.kept = target

    def __getattribute__(self, name):
        if name.startswith("__") or name in {"kept", "abort_upload"}:
            return super().__getattribute__(name)
        return getattr(super().__getattribute__("kept"), name)

    async def abort_upload(self, upload):
        pass


async def killed_after(target, source, count):
    """Let a run die once the ledger knows of `count` parts; return what its row says then."""
    async with run_of(source.url(), part_concurrency=1) as run:  # so that the parts are noted in order
        enough = asyncio.Event()

        async def stored(part):
            if len(run.parts) < count:
                run.parts.append(part)
            if len(run.parts) == count:
                enough.set()
                await asyncio.Event().wait()

        run.stored = stored
        copying = asyncio.create_task(run.copy(Killed(target)))
        await enough.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
    (_, _), (begun, _) = run.begun
    assert await target.open_uploads("") == [begun.upload]
    source.requests.clear()
    source.sent_bytes = 0
    return replace(begun, parts=tuple(sorted(run.parts, key=lambda part: part.number)))


async def assert_archived(target, stored, content=CONTENT):
    body = b"".join([chunk async for chunk in target.read(stored.key)])
    assert body == b"".join(content.chunks())
    assert (stored.key, stored.size_bytes, stored.sha256) == (KEY, content.size, content.sha256)
    assert stored.checksum == checksum_of(body)
    assert stored.content_type == "video/mp4"
    assert await target.open_uploads("") == []


@pytest.fixture
def target(bucket):
    return bucket


@pytest.fixture
async def source():
    async with SourceServer(lambda r: ranged(CONTENT, r)) as source:
        yield source


@pytest.mark.parametrize("count", [1, 3, 4])
async def test_only_the_missing_parts_are_fetched_and_sent(target, source, count):
    unfinished = await killed_after(target, source, count)
    async with run_of(source.url(), part_size_bytes=16 * MIB) as run:  # the noted cut counts, not today's setting
        run.resume = unfinished
        stored = await run.copy(target)
    await assert_archived(target, stored)
    assert source.sent_bytes == CONTENT.size - count * PART + HEAD
    assert [request.first for request in source.requests] == [0, *range(count * PART, CONTENT.size, PART)]
    assert sorted(part.number for part in run.parts) == list(range(count + 1, PARTS + 1))
    assert run.begun == [(unfinished, KEY)]


async def test_all_parts_there_only_completes(target, source):
    """Killed after the last part, before CompleteMultipartUpload."""
    unfinished = await killed_after(target, source, PARTS)
    async with run_of(source.url()) as run:
        run.resume = unfinished
        await assert_archived(target, await run.copy(target))
    assert source.sent_bytes == HEAD


async def test_a_part_that_only_the_table_knows_is_sent_again(target, source):
    unfinished = await killed_after(target, source, 2)
    invented = UploadedPart(number=4, etag='"e"', size_bytes=PART, checksum=checksum_of(b""))
    async with run_of(source.url()) as run:
        run.resume = replace(unfinished, parts=(*unfinished.parts, invented))
        await assert_archived(target, await run.copy(target))
    assert sorted(part.number for part in run.parts) == [3, 4, 5]


@pytest.mark.parametrize("wrong", [{"etag": '"other"'}, {"size_bytes": PART - 1}])
async def test_a_part_that_the_store_holds_otherwise_is_sent_again(target, source, wrong):
    unfinished = await killed_after(target, source, 2)
    first, second = unfinished.parts
    async with run_of(source.url()) as run:
        run.resume = replace(unfinished, parts=(replace(first, **wrong), second))
        await assert_archived(target, await run.copy(target))
    assert sorted(part.number for part in run.parts) == [1, 3, 4, 5]


async def test_a_part_whose_bytes_are_not_what_was_noted_makes_no_object(target, source):
    unfinished = await killed_after(target, source, 2)
    first, second = unfinished.parts
    async with run_of(source.url()) as run:
        run.resume = replace(unfinished, parts=(replace(first, checksum=checksum_of(b"x")), second))
        with pytest.raises(Exception, match=r"BadDigest|400|checksum"):
            await run.copy(target)
    assert await target.head(KEY) is None
    assert await target.open_uploads("") == []


OTHER = Content(CONTENT.size, seed=2)
LONGER = Content(CONTENT.size + 1)


@pytest.mark.parametrize(
    ("content", "serve"),
    [
        (OTHER, lambda r: ranged(OTHER, r, etag='"v2"')),
        (LONGER, lambda r: ranged(LONGER, r)),
        (CONTENT, lambda r: ranged(CONTENT, r, etag=None)),
        (CONTENT, lambda r: ranged(CONTENT, r, etag='W/"v1"')),
        (CONTENT, lambda _: whole(CONTENT)),
    ],
    ids=["another ETag", "another length", "no ETag", "a weak ETag", "no ranges"],
)
async def test_a_source_that_is_not_surely_the_same_is_copied_anew(target, source, content, serve):
    unfinished = await killed_after(target, source, 3)
    source.handler = serve
    async with run_of(source.url()) as run:
        run.resume = unfinished
        await assert_archived(target, await run.copy(target), content)
    assert len(run.parts) == PARTS
    assert unfinished.upload not in [upload.upload for upload, _ in run.begun if upload]


@pytest.mark.parametrize("change", [{"source_etag": None}, {"parts": ()}, {"upload": None}])
async def test_what_cannot_be_gone_on_with_is_ended_and_begun_anew(target, source, change):
    unfinished = await killed_after(target, source, 3)
    if "upload" in change:
        await target.abort_upload(unfinished.upload)
        change = {}
    async with run_of(source.url()) as run:
        run.resume = replace(unfinished, **change)
        await assert_archived(target, await run.copy(target))
    assert len(run.parts) == PARTS


async def test_a_key_that_is_chosen_otherwise_now_is_begun_anew(target, source):
    unfinished = await killed_after(target, source, 3)
    async with run_of(source.url()) as run:
        run.resume = unfinished
        run.key = "elsewhere/r1"
        stored = await run.copy(target)
    assert (stored.key, stored.sha256) == ("elsewhere/r1.mp4", CONTENT.sha256)
    assert await target.open_uploads("") == []


async def test_a_file_read_in_order_is_not_read_back(source):
    class Unread(MemoryTarget):
        def read(self, key):
            raise AssertionError(key)

    async with run_of(source.url()) as run:
        assert (await run.copy(Unread())).sha256 == CONTENT.sha256


@pytest.mark.parametrize(
    ("answer", "error"),
    [(Answer(503, {"Content-Length": "0"}), SourceUnavailableError), ("html", SourceNotMediaError)],
)
async def test_an_error_before_the_first_byte_ends_the_upload(target, source, answer, error):
    unfinished = await killed_after(target, source, 3)
    page = Content(CONTENT.size, head=b"<!doctype html><html>" + b"x" * 2000)
    source.handler = lambda r: ranged(page, r) if answer == "html" else answer
    async with run_of(source.url()) as run:
        run.resume = unfinished
        with pytest.raises(error):
            await run.copy(target)
    assert await target.open_uploads("") == []


async def test_a_missing_part_that_fails_is_sent_again():
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(CONTENT, r)) as source:
        unfinished = await killed_after(target, source, 2)
        target.part_faults[4] = PartFault(StoreUnavailableError("scripted"), after_bytes=MIB)
        async with run_of(source.url()) as run:
            run.resume = unfinished
            await assert_archived(target, await run.copy(target))


@pytest.mark.parametrize("when", ["began", "stored"])
async def test_a_run_that_lost_its_fence_leaves_the_upload_to_the_winner(target, source, when):
    """The loser wakes in the middle, the winner goes on and archives."""
    unfinished = await killed_after(target, source, 2)

    async def lost(*_):
        raise FenceLostError("r1")

    async with run_of(source.url()) as loser:
        loser.resume = unfinished
        setattr(loser, when, lost)
        with pytest.raises(FenceLostError):
            await loser.copy(target)
    assert await target.open_uploads("") == [unfinished.upload]
    async with run_of(source.url()) as winner:
        winner.resume = unfinished
        await assert_archived(target, await winner.copy(target))


async def test_a_first_run_that_loses_its_fence_on_a_part_leaves_the_upload(target, source):
    async with run_of(source.url()) as loser:

        async def stored(part):
            raise FenceLostError("r1")

        loser.stored = stored
        with pytest.raises(FenceLostError):
            await loser.copy(target)
    ((_, _), (begun, _)) = loser.begun
    assert await target.open_uploads("") == [begun.upload]


async def test_a_loser_that_completes_first_harms_nothing(target, source):
    """Paused after its last part and woken while the winner sends its own; both end with the same object."""
    unfinished = await killed_after(target, source, 3)
    async with run_of(source.url()) as loser, run_of(source.url()) as winner:
        loser.resume = winner.resume = unfinished
        last_one = asyncio.Event()
        loser_done = asyncio.Event()

        async def stored(part):
            winner.parts.append(part)
            if len(winner.parts) == PARTS - 3:
                last_one.set()
                await loser_done.wait()

        winner.stored = stored
        winning = asyncio.create_task(winner.copy(target))
        await last_one.wait()
        losers = await loser.copy(target)
        loser_done.set()
        await assert_archived(target, await winning)
        assert losers == await winning


async def test_a_part_that_finds_the_upload_completed_ends_in_adoption(target, source):
    """The loser completed the upload under the winner's hands: its next attempt finds and proves the object."""
    unfinished = await killed_after(target, source, 3)
    async with run_of(source.url()) as loser, run_of(source.url()) as winner:
        loser.resume = winner.resume = unfinished

        async def began(upload, key):
            await loser.copy(target)

        winner.began = began
        with pytest.raises(StoreUnavailableError):
            await winner.copy(target)
        proven = await winner.copier.prove_existing(target=target, noted=loser.noted[-1], note=winner.read_back)
    assert proven is not None
    await assert_archived(target, proven)
