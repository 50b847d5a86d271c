"""Downloads that are cut, expire or change on the way: they go on where they were, or nothing of them is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from receiver.errors import SourceChangedError, SourceLengthMismatchError, SourceTruncatedError
from tests.support.copying import KIB, failure, run_of
from tests.support.memory_target import MemoryTarget
from tests.support.source_server import MIB, Answer, Content, SourceServer, ranged, whole

LARGE = Content(12 * MIB)
SMALL = Content(40 * KIB)


@pytest.mark.parametrize("content", [SMALL, LARGE])
@pytest.mark.parametrize("gently", [True, False], ids=["ended", "reset"])
async def test_a_cut_download_goes_on_where_it_was(content, gently):
    """Three cuts in a row are fine where each brought new bytes."""

    def handler(request):
        answer = ranged(content, request)
        return (
            replace(answer, cut_after=content.size // 4 + 1, gently=gently)
            if request.first < content.size // 4 * 3
            else answer
        )

    target = MemoryTarget()
    async with SourceServer(handler) as source, run_of(source.url()) as run:
        stored = await run.copy(target)
    assert stored.sha256 == content.sha256
    assert len(source.requests) == 4
    assert all(r.headers["If-Match"] == '"v1"' for r in source.requests[1:])
    assert source.sent_bytes <= 1.3 * content.size


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_a_download_that_never_gets_past_a_byte_is_truncated(content):
    def handler(request):
        left = content.size // 2 - request.first
        return replace(ranged(content, request), cut_after=left, gently=True)

    caught, source = await failure(handler)
    assert isinstance(caught, SourceTruncatedError)
    assert len(source.requests) == 4


async def test_a_cut_download_without_ranges_starts_anew_in_the_next_run():
    cuts = iter([5 * MIB + 5, None])
    target = MemoryTarget()
    handler = lambda _: replace(whole(LARGE), cut_after=next(cuts), gently=True)  # noqa: E731
    async with SourceServer(handler) as source, run_of(source.url()) as run:
        with pytest.raises(SourceTruncatedError):
            await run.copy(target)
        assert target.uploads == {}
        assert (await run.copy(target)).sha256 == LARGE.sha256


async def test_a_host_that_stops_serving_ranges_half_way_is_not_resumed():
    def handler(request):
        return whole(LARGE) if request.first else replace(ranged(LARGE, request), cut_after=6 * MIB)

    caught, source = await failure(handler)
    assert isinstance(caught, SourceTruncatedError)
    assert len(source.requests) == 2


@pytest.mark.parametrize(
    "changed",
    [
        lambda r: ranged(LARGE, r, etag='"v2"'),  # 412
        lambda r: replace(ranged(LARGE, r), headers=ranged(LARGE, r).headers | {"ETag": '"v2"'}),  # If-Match ignored
        lambda r: ranged(Content(LARGE.size + 1), r),
    ],
    ids=["412", "another ETag", "another length"],
)
async def test_a_file_that_changes_half_way_is_not_stitched_together(changed):
    def handler(request):
        return changed(request) if request.first else replace(ranged(LARGE, request), cut_after=6 * MIB)

    caught, _ = await failure(handler)
    assert isinstance(caught, SourceChangedError)


async def test_without_an_etag_nothing_is_resumed():
    caught, source = await failure(lambda r: replace(ranged(LARGE, r, etag=None), cut_after=6 * MIB))
    assert isinstance(caught, SourceTruncatedError)
    assert len(source.requests) == 1


async def test_a_range_other_than_the_asked_one_is_refused():
    def handler(request):
        if not request.first:
            return replace(ranged(LARGE, request), cut_after=6 * MIB)
        request.headers["Range"] = f"bytes={request.first + 1}-"
        return ranged(LARGE, request)

    caught, _ = await failure(handler)
    assert isinstance(caught, SourceLengthMismatchError)


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_more_bytes_than_promised_are_a_mismatch(content):
    """Only a chunked body can hold more than its headers promise."""

    def handler(request):
        body = b"".join(content.chunks()) + b"more"
        head = {"Content-Range": f"bytes 0-{content.size - 1}/{content.size}", "ETag": '"v1"'}
        chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        return Answer(206, head | {"Transfer-Encoding": "chunked"}, iter([chunked]))

    caught, _ = await failure(handler)
    assert isinstance(caught, SourceLengthMismatchError)


async def test_bytes_that_come_after_the_last_promised_one_are_a_mismatch():
    def handler(_):
        body = b"".join(Content(900).chunks())
        head = {"Content-Range": "bytes 0-899/900", "ETag": '"v1"', "Transfer-Encoding": "chunked"}
        return Answer(206, head, iter([b"384\r\n" + body + b"\r\n", b"4\r\nmore\r\n0\r\n\r\n"]), drip_s=0.05)

    caught, _ = await failure(handler)
    assert isinstance(caught, SourceLengthMismatchError)


async def test_a_url_that_expires_twice_costs_almost_no_extra_bytes(bucket):
    content = Content(50 * MIB)
    lives = {"/1": 17 * MIB, "/2": 35 * MIB}  # each URL dies when the file has been read so far

    def handler(request):
        ends = lives.get(request.target, content.size)
        if request.first >= ends:
            return Answer(403, {"Content-Length": "0"})
        return replace(ranged(content, request), cut_after=ends - request.first)

    async with (
        SourceServer(handler) as source,
        run_of(*(source.url(f"/{n}") for n in (1, 2, 3))) as run,
    ):
        stored = await run.copy(bucket)
    assert stored.sha256 == content.sha256
    assert [rejected.url[-2:] for rejected in run.rejected] == ["/1", "/2"]
    assert source.sent_bytes <= 1.3 * content.size
    assert source.sent_bytes - content.size < MIB
