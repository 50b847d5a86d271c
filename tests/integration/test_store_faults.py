"""A store that misbehaves: only the part it failed is sent again, and nothing unproven counts."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from receiver import metrics
from receiver.errors import (
    BucketMissingError,
    JobError,
    KeyTakenError,
    SourceChangedError,
    StoreChecksumError,
    StoreDeniedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from receiver.objectstore import BucketConfig, open_bucket
from tests.support.copying import KIB, run_of
from tests.support.memory_target import MemoryTarget, PartFault
from tests.support.source_server import MIB, Content, SourceServer, ranged, whole
from tests.support.store_proxy import Rule, StoreProxy, s3_error

CONTENT = Content(22 * MIB)
PARTS = 5


@pytest.fixture
async def proxy(seaweed):
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        yield proxy


@asynccontextmanager
async def through(proxy, bucket, **changes):
    config = BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region="us-east-1", **changes)
    async with open_bucket(config) as opened:
        yield opened


@asynccontextmanager
async def source_and_run(content=CONTENT, serve=ranged, **changes):
    async with SourceServer(lambda r: serve(content, r)) as source, run_of(source.url(), **changes) as run:
        yield source, run


@pytest.mark.parametrize("after", [0, 1, 3 * MIB, 5 * MIB], ids=["at once", "first byte", "half-way", "whole part"])
@pytest.mark.parametrize("number", [1, 3, PARTS])
async def test_only_the_failed_part_is_sent_again(after, number):
    target = MemoryTarget()
    target.part_faults[number] = PartFault(StoreUnavailableError("scripted"), after_bytes=after)
    async with source_and_run() as (source, run):
        stored = await run.copy(target)
    assert stored.sha256 == CONTENT.sha256
    assert b"".join(CONTENT.chunks()) == target.objects[stored.key][0]
    assert sorted(target.tries) == sorted([*range(1, PARTS + 1), number])
    assert [request.first for request in source.requests] == [0, (number - 1) * 5 * MIB]


async def test_parts_that_fail_side_by_side_are_each_sent_again():
    target = MemoryTarget()
    target.hold_until = 3
    for number in (1, 2, 3):
        target.part_faults[number] = PartFault(StoreChecksumError("scripted"), after_bytes=5 * MIB, times=2)
    async with source_and_run() as (_, run):
        assert (await run.copy(target)).sha256 == CONTENT.sha256
    assert sorted(target.tries) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5]


async def test_a_store_that_fails_requests_is_leaned_on_less():
    """How much less is told by the unit tests of `Pace`; here that a copy's requests are paced by it."""
    before = metrics.registry.get_sample_value("receiver_store_slowdowns_total")
    target = MemoryTarget()
    target.part_faults[1] = PartFault(StoreUnavailableError("SlowDown"), times=2)
    async with source_and_run(requests_at_once=3) as (_, run):
        await run.copy(target)
    assert metrics.registry.get_sample_value("receiver_store_slowdowns_total") == before + 2
    target = MemoryTarget()
    async with source_and_run(requests_at_once=1) as (_, run):
        await run.copy(target)
    assert target.most_in_flight == 1


@pytest.mark.parametrize("number", [2, PARTS])
async def test_a_part_that_keeps_failing_ends_the_run(number):
    target = MemoryTarget()
    target.part_faults[number] = PartFault(StoreUnavailableError("scripted"), after_bytes=5 * MIB, times=99)
    async with source_and_run() as (_, run):
        with pytest.raises(StoreUnavailableError):
            await run.copy(target)
    assert target.tries.count(number) == 4
    assert asyncio.current_task().cancelling() == 0, "the run goes on, and is not to be taken for cancelled"
    assert target.uploads == {}


@pytest.mark.parametrize(
    "error", [StoreDeniedError("x"), BucketMissingError("x"), StoreUnavailableError("x", retry_after_s=60)]
)
async def test_what_another_try_cannot_help_is_not_tried(error):
    target = MemoryTarget()
    target.part_faults[2] = PartFault(error, times=99)
    async with source_and_run() as (_, run):
        with pytest.raises(type(error)) as caught:
            await run.copy(target)
    assert caught.value is error
    assert target.tries.count(2) == 1
    assert target.uploads == {}


async def test_a_part_of_a_source_without_ranges_cannot_be_sent_again():
    target = MemoryTarget()
    target.part_faults[2] = PartFault(StoreUnavailableError("scripted"))
    async with source_and_run(serve=lambda content, _: whole(content)) as (_, run):
        with pytest.raises(StoreUnavailableError):
            await run.copy(target)
    assert target.uploads == {}


async def test_bytes_that_differ_when_read_again_are_noticed():
    """The ETag stays, the bytes do not: the store would hold what was never hashed."""
    target = MemoryTarget()
    target.part_faults[2] = PartFault(StoreUnavailableError("scripted"), after_bytes=5 * MIB)
    other = Content(CONTENT.size, seed=2)
    async with source_and_run() as (source, run):
        source.handler = lambda r: ranged(CONTENT if r.headers["Range"].endswith("-") else other, r)
        with pytest.raises(SourceChangedError):
            await run.copy(target)
    assert target.objects == target.uploads == {}


@pytest.mark.parametrize(
    "rule",
    [
        Rule("PUT .*partNumber=2", answer=s3_error(503, "SlowDown")),
        Rule("PUT .*partNumber=2", answer=s3_error(500, "InternalError"), times=2),
        Rule("PUT .*partNumber=2", cut_after=2 * MIB),
        Rule("PUT .*partNumber=5", cut_after=0),
        Rule("PUT .*partNumber=2", lose_answer=True),
        Rule("PUT .*partNumber=2", flip_bit=True),
        Rule("PUT .*partNumber=3", stall_after=2 * MIB),
        Rule("POST .*uploadId=", answer=s3_error(503, "SlowDown")),
        Rule("POST .*uploadId=", answer=s3_error(200, "InternalError")),
        Rule("POST .*uploadId=", lose_answer=True),
        Rule("POST .*uploads", answer=s3_error(500, "InternalError")),
        Rule("HEAD", cut_after=0),
    ],
    ids=str,
)
async def test_a_single_fault_on_the_wire_is_survived(bucket, proxy, rule):
    proxy.rules.append(replace(rule))
    async with through(proxy, bucket, progress_timeout_s=2) as spoiled, source_and_run() as (source, run):
        stored = await run.copy(spoiled)
    head = await bucket.head(stored.key)
    assert (head.size_bytes, head.checksum) == (CONTENT.size, stored.checksum)
    assert stored.sha256 == CONTENT.sha256
    assert await bucket.open_uploads("") == []
    assert source.sent_bytes < CONTENT.size + 13 * MIB


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule("POST .*uploadId=", times=9, answer=s3_error(200, "InternalError")), StoreUnavailableError),
        (Rule("POST .*uploadId=", times=9, answer=s3_error(400, "BadDigest")), StoreChecksumError),
        (Rule("POST .*uploadId=", times=9, answer=s3_error(409, "ConditionalRequestConflict")), StoreUnavailableError),
        (Rule("POST .*uploads", times=9, answer=s3_error(403, "AccessDenied")), StoreDeniedError),
        (Rule("POST .*uploads", times=9, answer=s3_error(404, "NoSuchBucket")), BucketMissingError),
        (Rule("POST .*uploads", times=9, answer=s3_error(301, "PermanentRedirect")), BucketMissingError),
        (Rule("POST .*uploads", times=9, answer=s3_error(400, "InvalidStorageClass")), StoreRefusedError),
        (Rule("POST .*uploads", times=9, answer=s3_error(501, "NotImplemented")), StoreRefusedError),
        (Rule("PUT .*partNumber=2", times=9, answer=s3_error(404, "NoSuchUpload")), StoreUnavailableError),
        (Rule("PUT .*partNumber=2", times=9, answer=s3_error(400, "RequestTimeout")), StoreUnavailableError),
        (Rule("PUT .*partNumber=2", times=9, answer=s3_error(429, "TooManyRequests")), StoreUnavailableError),
        (Rule("PUT .*partNumber=2", times=9, answer=s3_error(403, "AccessDenied")), StoreDeniedError),
        (Rule("PUT .*partNumber=2", times=9, flip_bit=True), StoreChecksumError),
        (
            Rule("PUT .*partNumber=2", times=9, answer=b"HTTP/1.1 502 X\r\nContent-Length: 4\r\n\r\n<h1>"),
            StoreUnavailableError,
        ),
        (Rule("HEAD", times=99, answer=b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"), StoreDeniedError),
    ],
    ids=str,
)
async def test_a_lasting_fault_on_the_wire_is_named(bucket, proxy, rule, error):
    proxy.rules.append(replace(rule))
    async with through(proxy, bucket, progress_timeout_s=2, attempts=2) as spoiled, source_and_run() as (_, run):
        with pytest.raises(JobError) as caught:
            await run.copy(spoiled)
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None or rule.flip_bit  # that one the store did not notice itself
    assert await bucket.open_uploads("") == []
    if error in {StoreDeniedError, BucketMissingError}:
        assert caught.value.retry_after_s == 10


async def test_a_store_that_stops_reading_is_left_and_the_part_sent_again(bucket, proxy):
    """The part is too large to vanish into socket buffers, so only the watch on the body can notice."""
    content = Content(64 * MIB)
    proxy.rules.append(Rule("PUT .*partNumber=1", stall_after=1))
    async with (
        through(proxy, bucket, progress_timeout_s=2) as spoiled,
        source_and_run(content, part_size_bytes=32 * MIB) as (_, run),
    ):
        assert (await run.copy(spoiled)).sha256 == content.sha256
    assert sum("partNumber=1" in line for line in proxy.lines) == 2


async def test_a_lost_answer_is_replaced_by_what_lies_under_the_key(bucket, proxy):
    """The store completes the upload, the answer is lost, and no later request gets an answer either."""
    proxy.rules.append(Rule("POST .*uploadId=", lose_answer=True))
    proxy.rules.append(Rule("POST .*uploadId=", times=99, answer=s3_error(503, "SlowDown")))
    async with through(proxy, bucket, attempts=2) as spoiled, source_and_run() as (_, run):
        stored = await run.copy(spoiled)
    assert (await bucket.head(stored.key)).checksum == stored.checksum


def asked_of(proxy):
    """Return what was asked of the store, without parts: each is a way there and back."""
    lines = [line.split() for line in proxy.lines]
    return [(method, *re.findall("uploads|uploadId", target)) for method, target, _ in lines if "partNum" not in target]


async def test_a_large_file_asks_nothing_of_the_store_that_it_could_spare(bucket, proxy):
    """Whether the key is free is asked while an upload is opened, and what Complete's answer tells is not asked."""
    both = asyncio.Barrier(2)
    proxy.rules += [Rule("HEAD", together=both), Rule("POST .*uploads", together=both)]
    async with through(proxy, bucket) as direct, source_and_run() as (_, run), asyncio.timeout(30):
        await run.copy(direct)
    assert sorted(asked_of(proxy)) == [("HEAD",), ("POST", "uploadId"), ("POST", "uploads")]


async def test_a_store_that_does_not_say_what_it_completed_is_asked(bucket, proxy):
    proxy.rules.append(Rule("POST .*uploadId", hide=b"ChecksumCRC64NVME"))
    async with through(proxy, bucket) as direct, source_and_run() as (_, run):
        await run.copy(direct)
    assert asked_of(proxy)[-2:] == [("POST", "uploadId"), ("HEAD",)]


async def test_an_upload_that_was_opened_where_another_file_lies_is_ended(bucket):
    await bucket.put("recordings/r1.mp4", b"another", content_type="video/mp4")
    async with source_and_run() as (_, run):
        stored = await run.copy(bucket)
    assert stored.version == 2
    assert await bucket.open_uploads("") == []


async def test_an_upload_that_cannot_be_ended_keeps_its_key_on_the_row():
    """The next run looks for it there."""

    class Stuck(MemoryTarget):
        async def abort_upload(self, upload):
            raise StoreUnavailableError("cannot abort")

    target = Stuck()
    await target.put("recordings/r1.mp4", b"another", content_type="video/mp4")
    async with source_and_run() as (_, run):
        with pytest.raises(StoreUnavailableError):
            await run.copy(target)
    assert run.begun == [(None, "recordings/r1.mp4")]
    assert [upload.key for upload in target.uploads.values()] == ["recordings/r1.mp4"]


async def test_slow_down_passes_its_retry_after_on(bucket, proxy):
    proxy.rules.append(Rule("PUT .*partNumber=1", answer=s3_error(503, "SlowDown", "Retry-After: 90\r\n")))
    async with through(proxy, bucket) as spoiled, source_and_run() as (_, run):
        with pytest.raises(StoreUnavailableError) as caught:
            await run.copy(spoiled)
    assert caught.value.retry_after_s == 90


@pytest.mark.parametrize(
    "rule",
    [
        Rule("PUT .*r1", lose_answer=True),
        Rule("PUT .*r1", answer=s3_error(503, "SlowDown")),
        Rule("PUT .*r1", flip_bit=True),
    ],
    ids=str,
)
async def test_a_small_file_survives_a_single_fault(bucket, proxy, rule):
    content = Content(40 * KIB)
    proxy.rules.append(replace(rule))
    async with through(proxy, bucket) as spoiled, source_and_run(content) as (_, run):
        try:
            stored = await run.copy(spoiled)
        except StoreChecksumError:  # the store refused the flipped bit; the next run sends it again
            assert rule.flip_bit
            stored = await run.copy(spoiled)
    assert stored.sha256 == content.sha256
    assert (await bucket.head(stored.key)).checksum == stored.checksum


async def test_an_abort_that_fails_does_not_hide_why():
    class Stuck(MemoryTarget):
        async def abort_upload(self, upload):
            raise StoreUnavailableError("cannot abort")

    target = Stuck()
    target.part_faults[2] = PartFault(StoreDeniedError("the reason"))
    async with source_and_run() as (_, run):
        with pytest.raises(StoreDeniedError, match="the reason"):
            await run.copy(target)
    assert run.forgotten == 0, "the next run may go on with an upload that could not be ended"


async def test_a_run_that_ended_its_upload_has_the_ledger_forget_it():
    target = MemoryTarget()
    target.part_faults[3] = PartFault(StoreDeniedError("scripted"))
    async with source_and_run() as (_, run):
        with pytest.raises(StoreDeniedError):
            await run.copy(target)
        assert (run.forgotten, target.uploads) == (1, {})
        target.part_faults.clear()
        await run.copy(target)
    assert run.forgotten == 1


@pytest.mark.parametrize("content", [CONTENT, Content(40 * KIB)], ids=["parts", "one request"])
async def test_a_key_that_is_taken_then_free_is_tried_in_the_next_run(content):
    class Fickle(MemoryTarget):
        async def complete_upload(self, upload, parts, *, checksum):
            raise KeyTakenError(upload.key)

        async def put(self, key, body, *, content_type):
            raise KeyTakenError(key)

    target = Fickle()
    async with source_and_run(content) as (_, run):
        with pytest.raises(StoreUnavailableError, match="taken, then gone"):
            await run.copy(target)
    assert target.uploads == {}
