"""Sources that misbehave: nothing unproven is stored, and the error says which way it went wrong."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from receiver.errors import (
    JobError,
    SourceDeniedError,
    SourceEmptyError,
    SourceIncompleteError,
    SourceLengthMismatchError,
    SourceLengthUnknownError,
    SourceNotFoundError,
    SourceNotMediaError,
    SourceStalledError,
    SourceTooLargeError,
    SourceUnavailableError,
    SourceUrlForbiddenError,
)
from tests.support.copying import KIB, failure, run_of
from tests.support.memory_target import MemoryTarget
from tests.support.source_server import MIB, MP4_HEAD, Answer, Content, Fixed, SourceServer, ranged

LARGE = Content(12 * MIB)
SMALL = Content(40 * KIB)


def plain(data: bytes):
    return lambda request: ranged(Fixed(data), request)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (plain(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"), SourceNotMediaError),
        (plain(b"<!doctype html><html>" + bytes(MIB)), SourceNotMediaError),
        (plain(b'{"error": "expired"}' + b" " * MIB), SourceNotMediaError),
        (plain(b""), SourceEmptyError),
        (lambda _: Answer(200, {"Content-Length": "0"}), SourceEmptyError),
        (lambda _: Answer(206, {"Content-Range": "bytes 0-9/10", "Content-Length": "9"}), SourceLengthMismatchError),
        (lambda _: Answer(206, {"Content-Range": "bytes 5-9/10", "Content-Length": "5"}), SourceLengthMismatchError),
        (lambda _: Answer(200, {}, SMALL.chunks(), cut_after=100, gently=True), SourceLengthUnknownError),
        (lambda _: Answer(200, {"Content-Length": "9", "Content-Encoding": "gzip"}), SourceNotMediaError),
        (lambda _: Answer(404, {"Content-Length": "0"}), SourceNotFoundError),
        (lambda _: Answer(410, {"Content-Length": "0"}), SourceNotFoundError),
        (lambda _: Answer(416, {"Content-Length": "0"}), SourceUnavailableError),
        (lambda _: Answer(500, {"Content-Length": "0"}), SourceUnavailableError),
        (lambda _: Answer(204, {}), SourceUnavailableError),
        (lambda _: Answer(200, {"Content-Length": "x"}), JobError),
        (lambda _: Answer(302, {"Content-Length": "0"}), SourceUrlForbiddenError),
        (lambda _: Answer(302, {"Location": "https://[", "Content-Length": "0"}), SourceUrlForbiddenError),
        (lambda r: Answer(302, {"Location": r.target, "Content-Length": "0"}), SourceUrlForbiddenError),
    ],
)
async def test_an_answer_that_is_no_recording_is_named(handler, error):
    caught, _ = await failure(handler)
    assert isinstance(caught, error)


@pytest.mark.parametrize("size", [40 * KIB, 12 * MIB], ids=["one request", "parts"])
async def test_a_whole_answer_whose_container_says_that_its_end_is_missing_is_not_stored(size):
    """The platform itself holds a cut file: length, ETag and every byte of it are as promised."""
    cut = Content(size, head=MP4_HEAD + (size + 1 - len(MP4_HEAD)).to_bytes(4, "big") + b"mdat")
    caught, _ = await failure(lambda r: ranged(cut, r))
    assert isinstance(caught, SourceIncompleteError)
    assert f"the mdat box at byte 32 says it ends at byte {size + 1:,}" in str(caught)


async def test_a_file_that_players_cannot_play_is_still_the_file():
    """Without a moov box, but whole for all that it says: better archived than lost."""
    odd = Content(40 * KIB, head=MP4_HEAD + (40 * KIB - len(MP4_HEAD)).to_bytes(4, "big") + b"mdat")
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(odd, r)) as source, run_of(source.url()) as run:
        stored = await run.copy(target)
    assert (stored.sha256, stored.incomplete) == (
        odd.sha256,
        "the file has no moov box, without which nothing in it can be played",
    )


@pytest.mark.parametrize("size", [40 * KIB, 12 * MIB], ids=["one request", "parts"])
async def test_the_same_cut_bytes_a_second_time_are_all_there_is(size):
    cut = Content(size, head=MP4_HEAD + (size + 1 - len(MP4_HEAD)).to_bytes(4, "big") + b"mdat")
    target = MemoryTarget()
    async with SourceServer(lambda r: ranged(cut, r)) as source, run_of(source.url()) as run:
        with pytest.raises(SourceIncompleteError) as caught:
            await run.copy(target)
        run.cut_sha256 = "0" * 64
        with pytest.raises(SourceIncompleteError):
            await run.copy(target)
        run.cut_sha256 = caught.value.sha256
        stored = await run.copy(target)
    assert (stored.sha256, caught.value.sha256) == (cut.sha256, cut.sha256)
    assert "the mdat box at byte 32" in stored.incomplete


async def test_a_file_above_the_cap_is_not_begun():
    caught, source = await failure(lambda r: ranged(LARGE, r), max_file_bytes=LARGE.size - 1)
    assert isinstance(caught, SourceTooLargeError)
    assert f"{LARGE.size} bytes, RECEIVER_MAX_FILE_BYTES allows {LARGE.size - 1};" in str(caught)
    assert source.sent_bytes < LARGE.size


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_host_says_how_long_to_wait(status):
    caught, _ = await failure(lambda _: Answer(status, {"Retry-After": "37", "Content-Length": "0"}))
    assert isinstance(caught, SourceUnavailableError)
    assert caught.retry_after_s == 37
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    caught, _ = await failure(lambda _: Answer(status, {"Retry-After": later, "Content-Length": "0"}))
    assert 90 < caught.retry_after_s <= 100
    caught, _ = await failure(lambda _: Answer(status, {"Retry-After": "soon", "Content-Length": "0"}))
    assert caught.retry_after_s is None


async def test_a_refused_url_is_renewed_once():
    def handler(request):
        return ranged(SMALL, request) if request.target == "/new" else Answer(403, {"Content-Length": "0"})

    target = MemoryTarget()
    async with SourceServer(handler) as source, run_of(source.url("/old"), source.url("/new")) as run:
        stored = await run.copy(target)
        assert stored.sha256 == SMALL.sha256
        assert [rejected.url for rejected in run.rejected] == [source.url("/old")]
        run.urls = [source.url("/old")]
        with pytest.raises(SourceDeniedError):
            await run.copy(target)


async def test_no_connection_is_unavailable():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, never listening: refused
        async with run_of(f"http://127.0.0.1:{held.getsockname()[1]}/v") as run:
            with pytest.raises(SourceUnavailableError):
                await run.copy(MemoryTarget())


@pytest.mark.parametrize("after", [0, 10, 6 * MIB])
async def test_a_source_that_stalls_is_left(after):
    """Once it is resumed from, since only the connection may have died; not for ever."""

    def handler(request):
        return replace(ranged(LARGE, request), stall_after=after - request.first)

    caught, _ = await failure(handler, progress_timeout_s=0.15)
    assert isinstance(caught, SourceStalledError)


async def test_a_source_that_never_answers_is_left():
    caught, _ = await failure(lambda _: Answer(silent=True), progress_timeout_s=0.15)
    assert isinstance(caught, SourceStalledError)


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_a_source_that_drips_is_too_slow(content):
    caught, _ = await failure(
        lambda r: replace(ranged(content, r), drip_s=0.05), progress_timeout_s=0.2, min_rate_bytes_s=1 << 30
    )
    assert isinstance(caught, SourceStalledError)


async def test_a_busy_host_half_way_is_asked_again():
    busy = iter([True, True, False])

    def handler(request):
        if not request.first:
            return replace(ranged(LARGE, request), cut_after=6 * MIB)
        return Answer(503, {"Content-Length": "0"}) if next(busy) else ranged(LARGE, request)

    target = MemoryTarget()
    async with SourceServer(handler) as source, run_of(source.url()) as run:
        assert (await run.copy(target)).sha256 == LARGE.sha256


@pytest.mark.parametrize("stop_at", [100, 2 * MIB, 7 * MIB])
async def test_a_cancelled_copy_leaves_no_upload(bucket, stop_at):
    async with (
        SourceServer(lambda r: replace(ranged(LARGE, r), stall_after=stop_at)) as source,
        run_of(source.url()) as run,
    ):
        copying = asyncio.create_task(run.copy(bucket))
        await source.stalled.wait()
        if stop_at > MIB:
            await run.has_begun.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
    assert await bucket.open_uploads("") == []
    assert await bucket.head("recordings/r1.mp4") is None


async def test_a_copy_cancelled_while_the_upload_opens_leaves_none():
    class Slow(MemoryTarget):
        opening = asyncio.Event()
        opened = asyncio.Event()

        async def begin_upload(self, key, *, content_type):
            upload = await super().begin_upload(key, content_type=content_type)
            self.opening.set()
            await self.opened.wait()
            return upload

    target = Slow()
    async with SourceServer(lambda r: ranged(LARGE, r)) as source, run_of(source.url()) as run:
        copying = asyncio.create_task(run.copy(target))
        await target.opening.wait()
        assert len(target.uploads) == 1
        copying.cancel()
        asyncio.get_running_loop().call_soon(target.opened.set)
        with pytest.raises(asyncio.CancelledError):
            await copying
    assert target.uploads == {}
