"""One listing for all who wait, and when memory does for an answer."""

from __future__ import annotations

import asyncio
import gc
import re
from datetime import timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from receiver.errors import ApiBadAnswerError, ApiUnavailableError, RecordingNotListedYetError
from receiver.records import MeetingId, RecordingId
from tests.support.scripted_api import MEETING, R1, R2, client, entry, held, listing, numbered, refusal, scripted_api


@pytest.fixture
async def server():
    async with scripted_api() as api:
        yield api


async def test_fifty_jobs_of_one_meeting_share_one_listing(server):
    arrived, gate = held(server)
    async with client(server) as api:
        jobs = [asyncio.create_task(api.listed((R1, R2)[n % 2], MEETING)) for n in range(50)]
        await arrived.get()
        late = asyncio.create_task(api.listed(R1, MEETING))
        gate.set()
        urls = await asyncio.gather(*jobs, late)
        assert len({u.url for u in urls}) == 2
        assert await api.listed(R1, MEETING) in urls
    assert len(server.requests) == 1


async def test_fifty_jobs_of_a_recording_not_listed_share_one_listing_too(server):
    async with client(server) as api:
        jobs = (api.listed(RecordingId(f"r{n}"), MEETING) for n in range(50))
        errors = await asyncio.gather(*jobs, return_exceptions=True)
    assert {type(e) for e in errors} == {RecordingNotListedYetError}
    assert len(server.requests) == 1


async def test_recording_that_memory_lacks_is_asked_for_anew(server):
    answers = [[R1], [R1, R2]]

    async def answer(_request):
        return listing(*answers.pop(0))

    server.listing = answer
    async with client(server) as api:
        await api.listed(R1, MEETING)
        await asyncio.gather(*(api.listed(R2, MEETING) for _ in range(10)))
    assert len(server.requests) == 2


async def test_cached_url_with_little_life_left_is_replaced_and_a_fresh_one_used_all_the_same(server):
    lives = [timedelta(seconds=200), timedelta(seconds=100), timedelta(days=7)]

    async def answer(_request):
        return listing(R1, life=lives.pop(0))

    server.listing = answer
    async with client(server, url_margin_s=300) as api:
        first = await api.listed(R1, MEETING)
        second, also_second = await asyncio.gather(*(api.listed(R1, MEETING) for _ in range(2)))
        third = await api.listed(R1, MEETING)
        assert await api.listed(R1, MEETING) is third
    assert first.url.expires_at > second.url.expires_at
    assert second is also_second
    assert len(server.requests) == 3


async def test_rejected_url_forces_one_newer_fetch_for_all_who_rejected_it(server):
    numbered(server)
    async with client(server) as api:
        old = await api.listed(R1, MEETING)
        old_2 = await api.listed(R2, MEETING)
        jobs = [api.listed(R1, MEETING, rejected=old.url) for _ in range(10)]
        jobs += [api.listed(R2, MEETING, rejected=old_2.url) for _ in range(10)]
        urls = await asyncio.gather(*jobs)
        assert {u.url.url for u in urls} == {f"https://files.example/{r}?fetch=2" for r in (R1, R2)}
        late = await api.listed(R1, MEETING, rejected=old.url)  # somebody has fetched since
        assert late in urls
        assert len(server.requests) == 2
        assert (await api.listed(R1, MEETING, rejected=late.url)).url.url.endswith("fetch=3")


async def test_question_for_newer_waits_for_the_fetch_under_way_and_shares_the_next(server):
    numbered(server)
    arrived, gate = held(server)
    async with client(server) as api:
        old = asyncio.create_task(api.recordings(MEETING))
        await arrived.get()
        new = [asyncio.create_task(api.recordings(MEETING, newer_than_s=0)) for _ in range(5)]
        gate.set()
        ((first, _), *others) = await asyncio.gather(old, *new)
        assert first.url.url.endswith("fetch=1")
        assert {r.url.url[-7:] for rs in others for r in rs} == {"fetch=2"}
        assert await api.recordings(MEETING) == others[0]
    assert len(server.requests) == 2


async def test_listing_is_forgotten_with_age(server):
    async with client(server, listing_max_age_s=0) as api:
        await api.listed(R1, MEETING)
        await api.listed(R1, MEETING)
        assert len(server.requests) == 2
        await api.recordings(MEETING, newer_than_s=3600)
    assert len(server.requests) == 2


async def test_failed_fetch_fails_all_who_waited_and_is_not_kept(server):
    good = server.listing

    async def answer(_request):
        return refusal(500)

    server.listing = answer
    arrived, gate = held(server)
    async with client(server) as api:
        jobs = [asyncio.create_task(api.listed(R1, MEETING)) for _ in range(20)]
        await arrived.get()
        gate.set()
        errors = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(e) for e in errors} == {ApiUnavailableError}
        assert len(server.requests) == 1
        server.listing = good
        assert await api.listed(R1, MEETING)
    assert len(server.requests) == 2


async def test_cancelled_waiter_leaves_the_fetch_to_the_others(server):
    arrived, gate = held(server)
    async with client(server) as api:
        first, second = (asyncio.create_task(api.listed(R1, MEETING)) for _ in range(2))
        await arrived.get()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        assert await second
    assert len(server.requests) == 1


async def test_failure_that_nobody_waits_for_any_more_is_silent(server, caplog):
    async def answer(_request):
        return refusal(500)

    server.listing = answer
    arrived, gate = held(server)
    async with client(server) as api:
        job = asyncio.create_task(api.listed(R1, MEETING))
        await arrived.get()
        job.cancel()
        await asyncio.wait({job})
        newer = asyncio.create_task(
            api.recordings(MEETING, newer_than_s=0)
        )  # waits for that fetch's end, not its error
        gate.set()
        with pytest.raises(ApiUnavailableError):
            await newer
    assert len(server.requests) == 2
    del job, newer  # they hold on to the fetches
    gc.collect()
    assert not caplog.records


async def test_closing_ends_what_is_under_way(server):
    arrived, _ = held(server)
    async with client(server) as api:
        job = asyncio.create_task(api.listed(R1, MEETING))
        await arrived.get()
    with pytest.raises(ApiUnavailableError, match="shutting down"):
        await job
    with pytest.raises(ApiUnavailableError, match="shutting down"):
        await api.listed(R1, MEETING)


async def test_memory_holds_a_bounded_number_of_meetings(server):
    async def answer(_request):
        return listing(R1, room_id=None)

    server.listing = answer
    async with client(server) as api:
        for n in range(257):
            await api.listed(R1, MeetingId(f"m{n}"))
        await api.listed(R1, MeetingId("m256"))
        assert len(server.requests) == 257
        await api.listed(R1, MeetingId("m0"))
    assert len(server.requests) == 258


async def test_large_listing_is_read_whole(server):
    async def answer(_request):
        return listing(*(f"r{n}" for n in range(5000)))

    server.listing = answer
    async with client(server) as api:
        assert len(await api.recordings(MEETING)) == 5000


async def test_another_meetings_recording_is_refused_and_the_others_stay(server):
    async def answer(_request):
        return web.json_response([entry(R1, room_id="another"), entry(R2)])

    server.listing = answer
    with capture_logs() as logs:
        async with client(server) as api:
            assert [r.id for r in await api.recordings(MEETING)] == [R2]
            with pytest.raises(ApiBadAnswerError, match="another meeting"):
                await api.listed(R1, MEETING)
            assert await api.listed(R2, MEETING)
    assert "listing_entry_refused" in {line["event"] for line in logs}
    assert not re.search("canary|Signature", str(logs))
