"""Good copies, into a real bucket: the bytes there are the bytes of the source."""

from __future__ import annotations

import hashlib
import resource

import aiohttp
import pytest

from receiver.errors import FenceLostError, ObjectConflictError, StoreChecksumError
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


@pytest.mark.parametrize(("size", "calls"), [(50 * KIB, 1), (6 * MIB, 1), (6 * MIB, 2)])
async def test_a_run_that_lost_its_fence_stores_nothing(size, calls):
    """`began` is told the key before anything is stored, and the upload before it gets a byte."""
    content = Content(size)
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:

        async def began(upload, key):
            run.begun.append((upload, key))
            assert target.tries == []
            if len(run.begun) == calls:
                raise FenceLostError("r1")

        run.began = began
        with pytest.raises(FenceLostError):
            await run.copy(target)
    assert [key for _, key in run.begun] == ["recordings/r1.mp4"] * calls
    assert [upload is None for upload, _ in run.begun] == [True, False][:calls]
    assert target.uploads == target.objects == {}


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_the_same_bytes_under_the_key_are_adopted(bucket, size):
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        first = await run.copy(bucket)
        assert await run.copy(bucket) == first
    assert await bucket.open_uploads("") == []


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
async def test_other_bytes_under_the_key_are_left_alone(bucket, size):
    content = Content(size)
    before = await bucket.put("recordings/r1.mp4", b"another file", content_type="video/mp4")
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(ObjectConflictError):
            await run.copy(bucket)
    assert await bucket.head("recordings/r1.mp4") == before
    assert await bucket.open_uploads("") == []


async def test_an_object_of_an_earlier_run_is_proven_by_reading_it_back(bucket):
    content = Content(12 * MIB)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        assert await run.copier.prove_existing(target=bucket, key="recordings/r1.mp4") is None
        stored = await run.copy(bucket)
        assert await run.copier.prove_existing(target=bucket, key=stored.key) == stored


@pytest.mark.parametrize(
    ("told", "error"), [(None, ObjectConflictError), ("crc64nvme:AAAAAAAAAAA=", StoreChecksumError)]
)
async def test_an_object_that_the_store_describes_otherwise_is_not_proven(told, error):
    target = MemoryTarget()
    await target.put("k", b"bytes", content_type="video/mp4")
    target.lies["k"] = told
    async with run_of("http://127.0.0.1:1/") as run:
        with pytest.raises(error):
            await run.copier.prove_existing(target=target, key="k")


@pytest.mark.parametrize("size", [50 * KIB, 6 * MIB])
@pytest.mark.parametrize("told", [None, "crc64nvme:AAAAAAAAAAA="])
async def test_a_copy_that_the_store_describes_otherwise_is_not_proven(size, told):
    content = Content(size)
    target = MemoryTarget()
    target.lies["recordings/r1.mp4"] = told
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(StoreChecksumError):
            await run.copy(target)


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
    content = Content(300 * MIB)
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
