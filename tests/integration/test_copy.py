"""Good copies, into a real bucket: the bytes there are the bytes of the source."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from dataclasses import replace

import aiohttp
import pytest

from receiver.errors import FenceLostError, ObjectConflictError, StoreChecksumError
from receiver.records import NotedObject
from receiver.transfer.copier import SMALL_PUTS
from tests.support.copying import KIB, run_of
from tests.support.memory_target import MemoryTarget
from tests.support.source_server import MIB, Content, SourceServer, ranged, whole


async def sha256_of(target, key):
    digest = hashlib.sha256()
    async for chunk in target.read(key):
        digest.update(chunk)
    return digest.hexdigest()


@pytest.mark.parametrize(
    "size",
    [33, 64 * KIB, 64 * KIB + 1, 5 * MIB, 5 * MIB + 1, 23 * MIB + 7],
    ids=["tiny", "largest small", "one short part", "one part", "two parts", "many parts"],
)
@pytest.mark.parametrize("serve", [ranged, None], ids=["ranges", "no ranges"])
async def test_the_object_has_the_sources_bytes(bucket, size, serve):
    content = Content(size)
    async with (
        SourceServer(lambda request: serve(content, request) if serve else whole(content)) as source,
        run_of(source.url()) as run,
    ):
        stored = await run.copy(bucket)
    head = await bucket.head("recordings/r1.mp4")
    assert stored.sha256 == content.sha256 == await sha256_of(bucket, stored.key)
    assert (stored.bucket, stored.key, stored.content_type) == (bucket.name, "recordings/r1.mp4", "video/mp4")
    assert (head.size_bytes, head.checksum, head.content_type) == (size, stored.checksum, "video/mp4")
    assert await bucket.open_uploads("") == []
    assert (len(source.requests), source.sent_bytes) == (1, size)


async def test_copies_share_the_cores_and_go_on_where_others_keep_them_all():
    """Who has the cores may have come to wait for its network: that may slow a copy down, never hold it up."""
    content, target = Content(6 * MIB), MemoryTarget()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        cores = run.copier._shared.cores
        while cores._free:
            cores.take()
        copying = asyncio.create_task(run.copy(target))
        async with asyncio.timeout(5):
            while not cores.are_awaited:
                await asyncio.sleep(0.001)
        stored = await copying
    assert stored.sha256 == content.sha256
    assert (cores._free, cores.are_awaited, cores.copies) == (0, False, 0)


async def test_the_request_carries_nothing_but_what_a_download_needs(bucket):
    content = Content(100)
    target = "/videos/a%2Fb?Signature=x%2By%ZZ%&Expires=1"
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url(target)) as run:
        await run.copy(bucket)
    request = source.requests[0]
    assert request.target == target  # malformed escapes too go out as they were signed
    assert request.headers["Range"] == "bytes=0-"
    assert request.headers["Accept-Encoding"] == "identity"
    assert set(request.headers) == {"Host", "Accept", "Accept-Encoding", "User-Agent", "Range"}


@pytest.mark.parametrize(
    ("size", "lost_at"),
    [(50 * KIB, "completing"), (6 * MIB, "began"), (6 * MIB, "began again"), (6 * MIB, "completing")],
)
async def test_a_run_that_lost_its_fence_stores_nothing(size, lost_at):
    """The ledger hears of the key before anything is stored, of the upload before a byte, of the object in time."""
    content = Content(size)
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:

        async def began(upload, key):
            run.begun.append((upload, key))
            assert target.tries == []
            if lost_at == ["began", "began again"][len(run.begun) - 1]:
                raise FenceLostError("r1")

        async def completing(noted):
            raise FenceLostError("r1")

        run.began, run.completing = began, completing
        with pytest.raises(FenceLostError):
            await run.copy(target)
    whole = [] if size < MIB else [True] if lost_at == "began" else [True, False]
    assert [key for _, key in run.begun] == ["recordings/r1.mp4"] * len(whole)
    assert [upload is None for upload, _ in run.begun] == whole
    assert target.objects == {}
    assert len(target.uploads) == (size > MIB and lost_at == "completing"), "one that has parts is the next run's"


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_the_same_bytes_under_the_key_are_adopted(bucket, size):
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        first = await run.copy(bucket)
        assert await run.copy(bucket) == first
    assert await bucket.open_uploads("") == []


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_beside_other_bytes_the_file_goes_to_the_next_free_key(bucket, size):
    key = "recordings/r1.mp4"
    before = [await bucket.put(k, k.encode(), content_type="video/mp4") for k in (key, "recordings/r1.v2.mp4")]
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        stored = await run.copy(bucket)
        assert (stored.key, stored.version, stored.sha256) == ("recordings/r1.v3.mp4", 3, content.sha256)
        assert await run.copy(bucket) == stored, "the same bytes under a later version are adopted too"
    assert [await bucket.head(head.key) for head in before] == before
    assert [k async for k in bucket.keys("")] == sorted([*(head.key for head in before), stored.key])
    assert await bucket.open_uploads("") == []
    assert run.noted[-1].matches(await bucket.head(stored.key))


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_the_same_bytes_under_an_earlier_version_are_adopted(size):
    content = Content(size)
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        first = await run.copy(target)
        await target.put("recordings/r1.v2.mp4", b"another", content_type="video/mp4")
        assert await run.copy(target) == first
    assert sorted(target.objects) == ["recordings/r1.mp4", "recordings/r1.v2.mp4"]
    assert target.uploads == {}


async def test_other_bytes_that_come_while_the_file_is_on_its_way_are_left_alone():
    class Raced(MemoryTarget):
        async def complete_upload(self, upload, parts, *, checksum):
            self.objects.setdefault(upload.key, (b"another", "video/mp4"))
            return await super().complete_upload(upload, parts, checksum=checksum)

    content = Content(6 * MIB)
    target = Raced()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(ObjectConflictError):
            await run.copy(target)
    assert target.objects["recordings/r1.mp4"] == (b"another", "video/mp4")
    assert target.uploads == {}


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_a_store_that_tells_other_than_was_sent_keeps_nothing_and_never_a_second_copy(size):
    content = Content(size)
    target = MemoryTarget()
    target.lies["recordings/r1.mp4"] = "crc64nvme:AAAAAAAAAAA="
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(StoreChecksumError):
            await run.copy(target)
        assert target.objects == {}
        target.keeps_all = True
        with pytest.raises(StoreChecksumError):
            await run.copy(target)
        with pytest.raises(StoreChecksumError, match="could not prove"):
            await run.copy(target)
    assert list(target.objects) == ["recordings/r1.mp4"]
    assert target.uploads == {}


@pytest.mark.parametrize("size", [50 * KIB, 12 * MIB])
async def test_an_object_of_an_earlier_run_is_proven_by_reading_it_back(bucket, size):
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        stored = await run.copy(bucket)
        (noted,) = run.noted
        assert await run.copier.prove_existing(target=bucket, noted=noted, note=run.read_back) == stored
        await bucket.delete(stored.key)
        assert await run.copier.prove_existing(target=bucket, noted=noted, note=run.read_back) is None


@pytest.mark.parametrize("told", [None, "crc64nvme:AAAAAAAAAAA="])
async def test_an_object_other_than_the_noted_one_is_not_taken_for_it(told):
    """Where the store tells no checksum of it, the object is read back."""
    target = MemoryTarget()
    head = await target.put("k", b"bytes", content_type="video/mp4")
    noted = NotedObject(key="k", size_bytes=head.size_bytes, checksum=head.checksum)
    target.lies["k"] = told
    if told is None:
        target.objects["k"] = (b"other", "video/mp4")
    async with run_of("http://127.0.0.1:1/") as run:
        assert await run.copier.prove_existing(target=target, noted=noted, note=run.read_back) is None


async def test_an_object_whose_bytes_are_not_what_the_store_says_is_not_proven():
    target = MemoryTarget()
    head = await target.put("k", b"bytes", content_type="video/mp4")
    target.objects["k"] = (b"bytez", "video/mp4")
    target.lies["k"] = head.checksum
    noted = NotedObject(key="k", size_bytes=head.size_bytes, checksum=head.checksum)
    async with run_of("http://127.0.0.1:1/") as run:
        with pytest.raises(StoreChecksumError):
            await run.copier.prove_existing(target=target, noted=noted, note=run.read_back)


async def test_the_stores_answers_are_awaited_side_by_side():
    content = Content(40 * MIB)
    target = MemoryTarget()
    target.hold_until = 3
    async with (
        SourceServer(lambda r: ranged(content, r)) as source,
        run_of(source.url(), part_concurrency=3) as run,
    ):
        await run.copy(target)
    assert target.most_in_flight == 3
    assert target.tries == sorted(target.tries)
    assert len(source.requests) == 1


async def test_memory_does_not_grow_with_the_file(bucket):
    content = Content(150 * MIB)
    warm_up = Content(20 * MIB)
    async with (
        SourceServer(lambda r: ranged(warm_up, r)) as source,
        run_of(source.url(), part_size_bytes=16 * MIB) as run,
    ):
        await run.copy(bucket)
        run.key = "large"
        source.handler = lambda r: ranged(content, r)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stored = await run.copy(bucket)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert stored.size_bytes == content.size
    assert grown_kib < 30 * KIB


async def test_a_presigned_url_downloads_the_object_under_a_safe_name(bucket):
    await bucket.put("k.mp4", b"bytes", content_type="application/octet-stream")
    url = await bucket.presign_download("k.mp4", expires_s=60, filename='é"\r\nX: 1.mp4', content_type="video/mp4")
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as answer:
            assert await answer.read() == b"bytes"
        async with http.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")) as forged:
            assert forged.status == 403
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"e___X: 1.mp4\"; filename*=UTF-8''%C3%A9___X%3A%201.mp4"
    )


class BusyTarget(MemoryTarget):
    """Takes small bodies only `SMALL_PUTS` together."""

    def __init__(self):
        super().__init__()
        self.together = asyncio.Barrier(SMALL_PUTS)
        self.open = self.most_open = 0

    async def put(self, key, body, *, content_type):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self.together.wait()
        self.open -= 1
        return await super().put(key, body, content_type=content_type)


async def test_few_small_bodies_are_sent_at_once_and_none_waits_for_ever():
    content = Content(50 * KIB)
    target = BusyTarget()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        runs = [replace(run, key=f"recordings/r{number}") for number in range(3 * SMALL_PUTS)]
        async with asyncio.timeout(30):
            stored = await asyncio.gather(*(one.copy(target) for one in runs))
    assert {one.sha256 for one in stored} == {content.sha256}
    assert len(target.objects) == 3 * SMALL_PUTS
    assert target.most_open == SMALL_PUTS
