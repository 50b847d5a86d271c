"""A store that misbehaves on the wire: only the part it failed is sent again, and nothing unproven counts."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from receiver.errors import (
    BucketMissingError,
    JobError,
    StoreChecksumError,
    StoreDeniedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from receiver.objectstore import BucketConfig, open_bucket
from tests.support.copying import KIB, source_and_run
from tests.support.source_server import MIB, Content
from tests.support.store_proxy import Rule, StoreProxy, s3_error

CONTENT = Content(16 * MIB)  # four parts


@pytest.fixture
async def proxy(seaweed):
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        yield proxy


@asynccontextmanager
async def through(proxy, bucket, **changes):
    config = BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region="us-east-1", **changes)
    async with open_bucket(config) as opened:
        yield opened


@pytest.mark.parametrize(
    "rule",
    [
        Rule("PUT .*partNumber=2", answer=s3_error(503, "SlowDown")),
        Rule("PUT .*partNumber=2", answer=s3_error(500, "InternalError"), times=2),
        Rule("PUT .*partNumber=2", cut_after=2 * MIB),
        Rule("PUT .*partNumber=4", cut_after=0),
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
    async with through(proxy, bucket, progress_timeout_s=2) as spoiled, source_and_run(CONTENT) as (source, run):
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
    async with through(proxy, bucket, progress_timeout_s=2, attempts=2) as spoiled, source_and_run(CONTENT) as (_, run):
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
    async with through(proxy, bucket, attempts=2) as spoiled, source_and_run(CONTENT) as (_, run):
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
    async with through(proxy, bucket) as direct, source_and_run(CONTENT) as (_, run), asyncio.timeout(30):
        await run.copy(direct)
    assert sorted(asked_of(proxy)) == [("HEAD",), ("POST", "uploadId"), ("POST", "uploads")]


async def test_a_store_that_does_not_say_what_it_completed_is_asked(bucket, proxy):
    proxy.rules.append(Rule("POST .*uploadId", hide=b"ChecksumCRC64NVME"))
    async with through(proxy, bucket) as direct, source_and_run(CONTENT) as (_, run):
        await run.copy(direct)
    assert asked_of(proxy)[-2:] == [("POST", "uploadId"), ("HEAD",)]


async def test_an_upload_that_was_opened_where_another_file_lies_is_ended(bucket):
    await bucket.put("recordings/r1.mp4", b"another", content_type="video/mp4")
    async with source_and_run(CONTENT) as (_, run):
        stored = await run.copy(bucket)
    assert stored.version == 2
    assert await bucket.open_uploads("") == []


async def test_slow_down_passes_its_retry_after_on(bucket, proxy):
    proxy.rules.append(Rule("PUT .*partNumber=1", answer=s3_error(503, "SlowDown", "Retry-After: 90\r\n")))
    async with through(proxy, bucket) as spoiled, source_and_run(CONTENT) as (_, run):
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
