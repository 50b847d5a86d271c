"""What a copy relies on, run on the real bucket and on the fake that other tests use."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from receiver.errors import KeyTakenError, StoreChecksumError, StoreUnavailableError
from receiver.objectstore import Bucket
from receiver.records import HeldPart, OpenUpload
from receiver.transfer import Target
from tests.support.memory_target import MemoryTarget, checksum_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = os.urandom(5 * 1024 * 1024)
LAST = os.urandom(1000)


@pytest.fixture(params=["bucket", "memory"])
def target(request: pytest.FixtureRequest) -> Bucket | MemoryTarget:
    return request.getfixturevalue("bucket") if request.param == "bucket" else MemoryTarget()


def chunked(data: bytes) -> Iterator[memoryview]:
    for at in range(0, len(data), 70_000):
        yield memoryview(data)[at : at + 70_000]


async def test_an_absent_object_has_no_head(target):
    assert await target.head("absent") is None


async def test_put_tells_size_checksum_and_type(target):
    head = await target.put("a/b.mp4", b"hello", content_type="video/mp4")
    assert (head.key, head.size_bytes, head.checksum) == ("a/b.mp4", 5, checksum_of(b"hello"))
    assert await target.head("a/b.mp4") == head
    assert head.content_type == "video/mp4"
    assert [chunk async for chunk in target.read("a/b.mp4")] == [b"hello"]


async def test_a_second_put_leaves_the_first_object(target):
    await target.put("k", b"first", content_type="video/mp4")
    with pytest.raises(KeyTakenError):
        await target.put("k", b"second", content_type="video/mp4")
    assert b"".join([chunk async for chunk in target.read("k")]) == b"first"


async def test_what_was_written_can_be_discarded_again_and_again(target):
    put = await target.put("k", LAST, content_type="video/mp4")
    await target.put("beside", LAST, content_type="video/mp4")
    upload = await target.begin_upload("large", content_type="video/webm")
    part = await target.upload_part(upload, 1, chunked(LAST), size_bytes=len(LAST))
    completed = await target.complete_upload(upload, [part], checksum=checksum_of(LAST))
    for head in (put, completed, put):
        await target.discard(head)
    assert [await target.head(key) for key in ("k", "large")] == [None, None]
    assert await target.head("beside") is not None


async def test_parts_in_any_order_become_one_object(target):
    upload = await target.begin_upload("k", content_type="video/webm")
    assert await target.open_uploads("") == [upload]
    last = await target.upload_part(upload, 2, chunked(LAST), size_bytes=len(LAST))
    await target.upload_part(upload, 1, chunked(LAST * 6000), size_bytes=len(LAST) * 6000)
    first = await target.upload_part(upload, 1, chunked(PART), size_bytes=len(PART))  # replaces the one before
    assert (first.number, first.size_bytes, first.checksum) == (1, len(PART), checksum_of(PART))
    head = await target.complete_upload(upload, [first, last], checksum=checksum_of(PART + LAST))
    assert (head.size_bytes, head.checksum) == (len(PART + LAST), checksum_of(PART + LAST))
    asked = await target.head("k")
    assert asked.content_type == "video/webm"
    assert replace(asked, content_type=head.content_type) == head
    assert b"".join([chunk async for chunk in target.read("k")]) == PART + LAST
    assert await target.open_uploads("") == []


async def test_the_parts_of_an_open_upload_are_listed_by_number(target):
    upload = await target.begin_upload("k", content_type="video/webm")
    assert await target.list_parts(upload) == []
    last = await target.upload_part(upload, 2, chunked(LAST), size_bytes=len(LAST))
    first = await target.upload_part(upload, 1, chunked(PART), size_bytes=len(PART))
    listed = [HeldPart(number=part.number, etag=part.etag, size_bytes=part.size_bytes) for part in (first, last)]
    assert await target.list_parts(upload) == listed


async def test_an_upload_that_ended_has_no_parts(target):
    aborted = await target.begin_upload("k", content_type="video/webm")
    await target.abort_upload(aborted)
    completed = await target.begin_upload("k", content_type="video/webm")
    part = await target.upload_part(completed, 1, chunked(LAST), size_bytes=len(LAST))
    await target.complete_upload(completed, [part], checksum=checksum_of(LAST))
    for upload in (aborted, completed, OpenUpload(key="k", upload_id="0" * 32)):
        assert await target.list_parts(upload) is None


@pytest.mark.parametrize("ended_by", ["abort", "complete"])
async def test_a_part_that_comes_after_the_end_changes_nothing(target, ended_by):
    upload = await target.begin_upload("k", content_type="video/webm")
    part = await target.upload_part(upload, 1, chunked(LAST), size_bytes=len(LAST))
    await (
        target.abort_upload(upload)
        if ended_by == "abort"
        else target.complete_upload(upload, [part], checksum=checksum_of(LAST))
    )
    with pytest.raises(StoreUnavailableError):
        await target.upload_part(upload, 1, chunked(PART), size_bytes=len(PART))
    assert await target.open_uploads("") == []
    head = await target.head("k")
    assert (head is None) if ended_by == "abort" else head.checksum == checksum_of(LAST)


async def test_a_wrong_checksum_makes_no_object(target):
    upload = await target.begin_upload("k", content_type="video/webm")
    part = await target.upload_part(upload, 1, chunked(LAST), size_bytes=len(LAST))
    with pytest.raises(StoreChecksumError):
        await target.complete_upload(upload, [part], checksum=checksum_of(PART))
    assert await target.head("k") is None
    assert await target.open_uploads("") == [upload]


async def test_complete_leaves_an_object_that_was_there(target):
    await target.put("k", b"first", content_type="video/mp4")
    upload = await target.begin_upload("k", content_type="video/webm")
    part = await target.upload_part(upload, 1, chunked(LAST), size_bytes=len(LAST))
    with pytest.raises(KeyTakenError):
        await target.complete_upload(upload, [part], checksum=checksum_of(LAST))
    assert b"".join([chunk async for chunk in target.read("k")]) == b"first"


async def test_abort_may_be_repeated(target):
    upload = await target.begin_upload("k", content_type="video/webm")
    await target.abort_upload(upload)
    await target.abort_upload(upload)
    await target.abort_upload(OpenUpload(key="k", upload_id="0" * 32))
    assert await target.open_uploads("") == []


async def test_an_error_of_the_chunks_comes_out_unchanged(target):
    error = LookupError("the source's own")

    def failing() -> Iterator[memoryview]:
        yield memoryview(LAST)
        raise error

    upload = await target.begin_upload("k", content_type="video/webm")
    with pytest.raises(LookupError) as caught:
        await target.upload_part(upload, 1, failing(), size_bytes=5000)
    assert caught.value is error


async def test_chunks_of_another_size_than_promised_are_refused(target):
    upload = await target.begin_upload("k", content_type="video/webm")
    for wrong in (len(LAST) - 1, len(LAST) + 1):
        with pytest.raises(ValueError, match="bytes"):
            await target.upload_part(upload, 1, chunked(LAST), size_bytes=wrong)


@pytest.mark.parametrize("implementation", [Bucket, MemoryTarget])
def test_every_call_of_the_protocol_has_its_signature(implementation):
    for name, call in inspect.getmembers(Target, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(implementation, name)) == inspect.signature(call), name
