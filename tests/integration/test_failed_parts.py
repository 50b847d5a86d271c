"""A part that the store does not take, wherever in it that shows: it alone is sent again, or the run says why not."""

from __future__ import annotations

import asyncio

import pytest

from receiver import metrics
from receiver.errors import (
    BucketMissingError,
    KeyTakenError,
    SourceChangedError,
    StoreChecksumError,
    StoreDeniedError,
    StoreUnavailableError,
)
from tests.support.copying import KIB, source_and_run
from tests.support.memory_target import MemoryTarget, PartFault
from tests.support.source_server import MIB, Content, ranged, whole

CONTENT = Content(16 * MIB)
PARTS = 4


@pytest.mark.parametrize("after", [0, 1, 3 * MIB, 5 * MIB], ids=["at once", "first byte", "half-way", "whole part"])
@pytest.mark.parametrize("number", [1, 3, PARTS])
async def test_only_the_failed_part_is_sent_again(after, number):
    target = MemoryTarget()
    target.part_faults[number] = PartFault(StoreUnavailableError("scripted"), after_bytes=after)
    async with source_and_run(CONTENT) as (source, run):
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
    async with source_and_run(CONTENT) as (_, run):
        assert (await run.copy(target)).sha256 == CONTENT.sha256
    assert sorted(target.tries) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


async def test_a_store_that_fails_requests_is_leaned_on_less():
    """How much less is told by the unit tests of `Pace`; here that a copy's requests are paced by it."""
    before = metrics.registry.get_sample_value("receiver_store_slowdowns_total")
    target = MemoryTarget()
    target.part_faults[1] = PartFault(StoreUnavailableError("SlowDown"), times=2)
    async with source_and_run(CONTENT, requests_at_once=3) as (_, run):
        await run.copy(target)
    assert metrics.registry.get_sample_value("receiver_store_slowdowns_total") == before + 2
    target = MemoryTarget()
    async with source_and_run(CONTENT, requests_at_once=1) as (_, run):
        await run.copy(target)
    assert target.most_in_flight == 1


@pytest.mark.parametrize("number", [2, PARTS])
async def test_a_part_that_keeps_failing_ends_the_run(number):
    target = MemoryTarget()
    target.part_faults[number] = PartFault(StoreUnavailableError("scripted"), after_bytes=5 * MIB, times=99)
    async with source_and_run(CONTENT) as (_, run):
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
    async with source_and_run(CONTENT) as (_, run):
        with pytest.raises(type(error)) as caught:
            await run.copy(target)
    assert caught.value is error
    assert target.tries.count(2) == 1
    assert target.uploads == {}


async def test_a_part_of_a_source_without_ranges_cannot_be_sent_again():
    target = MemoryTarget()
    target.part_faults[2] = PartFault(StoreUnavailableError("scripted"))
    async with source_and_run(CONTENT, serve=lambda content, _: whole(content)) as (_, run):
        with pytest.raises(StoreUnavailableError):
            await run.copy(target)
    assert target.uploads == {}


async def test_bytes_that_differ_when_read_again_are_noticed():
    """The ETag stays, the bytes do not: the store would hold what was never hashed."""
    target = MemoryTarget()
    target.part_faults[2] = PartFault(StoreUnavailableError("scripted"), after_bytes=5 * MIB)
    other = Content(CONTENT.size, seed=2)
    async with source_and_run(CONTENT) as (source, run):
        source.handler = lambda r: ranged(CONTENT if r.headers["Range"].endswith("-") else other, r)
        with pytest.raises(SourceChangedError):
            await run.copy(target)
    assert target.objects == target.uploads == {}


async def test_an_upload_that_cannot_be_ended_keeps_its_key_on_the_row():
    """The next run looks for it there."""

    class Stuck(MemoryTarget):
        async def abort_upload(self, upload):
            raise StoreUnavailableError("cannot abort")

    target = Stuck()
    await target.put("recordings/r1.mp4", b"another", content_type="video/mp4")
    async with source_and_run(CONTENT) as (_, run):
        with pytest.raises(StoreUnavailableError):
            await run.copy(target)
    assert run.begun == [(None, "recordings/r1.mp4")]
    assert [upload.key for upload in target.uploads.values()] == ["recordings/r1.mp4"]


async def test_an_abort_that_fails_does_not_hide_why():
    class Stuck(MemoryTarget):
        async def abort_upload(self, upload):
            raise StoreUnavailableError("cannot abort")

    target = Stuck()
    target.part_faults[2] = PartFault(StoreDeniedError("the reason"))
    async with source_and_run(CONTENT) as (_, run):
        with pytest.raises(StoreDeniedError, match="the reason"):
            await run.copy(target)
    assert run.forgotten == 0, "the next run may go on with an upload that could not be ended"


async def test_a_run_that_ended_its_upload_has_the_ledger_forget_it():
    target = MemoryTarget()
    target.part_faults[3] = PartFault(StoreDeniedError("scripted"))
    async with source_and_run(CONTENT) as (_, run):
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
