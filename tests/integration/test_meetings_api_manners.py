"""When nothing may be asked: the pause that an answer asks for, the agreed rate, and an API that is down."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from receiver import metrics
from receiver.app.shared_pause import DatabasePause
from receiver.catalogue import Interventions
from receiver.errors import ApiPausedError, ApiRefusedError, ApiUnavailableError, JobError
from receiver.meetings import ApiConfig, open_api
from receiver.records import Actor, MeetingId
from receiver.tables import open_database
from tests.support.scripted_api import KEY, MEETING, R1, USER, client, held, listing, refusal, scripted_api


@pytest.fixture
async def server():
    async with scripted_api() as api:
        yield api


def answering(server, *statuses, **headers):
    """Answer with these statuses one after the other and then well; return when each request came."""
    times, left = [], list(statuses)

    async def answer(_request):
        times.append(time.monotonic())
        return refusal(left.pop(0), **headers) if left else listing(R1, room_id=None)

    server.listing = answer
    return times


async def ask(api, meeting="m") -> JobError | None:
    """Ask once and return the error, if it is one of a job's."""
    try:
        await api.listed(R1, MeetingId(meeting))
    except JobError as e:
        return e
    return None


@pytest.mark.parametrize(("header", "pause_s"), [({"Retry-After": "0.5"}, 0.5), ({}, 1.0)], ids=["told", "untold"])
async def test_no_request_is_sent_before_the_pause_is_over(server, header, pause_s):
    times = answering(server, 429, **header)
    async with client(server) as api:
        error = await ask(api)
        assert type(error) is ApiPausedError
        assert error.retry_after_s == (pause_s if header else None)
        assert await asyncio.gather(*(ask(api, f"m{n}") for n in range(5))) == [None] * 5
    assert len(times) == 6
    assert min(times[1:]) - times[0] >= pause_s


@pytest.mark.parametrize(("status", "error"), [(429, ApiPausedError), (503, ApiUnavailableError)])
async def test_pause_beyond_the_time_out_is_an_error_at_once(server, status, error):
    async def answer(_request):
        until = datetime.now(UTC) + timedelta(seconds=90)
        return refusal(status, **{"Retry-After": until.strftime("%a, %d %b %Y %H:%M:%S GMT")})

    server.listing = answer
    async with client(server, USER) as api:
        errors = [await ask(api, meeting) for meeting in ("m1", "m2", "m3")]
    assert [type(e) for e in errors] == [error, ApiPausedError, ApiPausedError]
    assert all(80 < e.retry_after_s <= 91 for e in errors)
    assert server.asked == {"session": 1, "m1": 1}


async def test_shorter_pause_does_not_end_a_longer_one(server):
    both = asyncio.Barrier(2)
    waits = iter(("90", "0"))

    async def answer(_request):
        await both.wait()
        return refusal(429, **{"Retry-After": next(waits)})

    server.listing = answer
    async with client(server) as api:
        await asyncio.gather(*(ask(api, m) for m in ("m1", "m2")))
        error = await ask(api, MEETING)
    assert error.retry_after_s > 80
    assert len(server.requests) == 2


async def test_requests_keep_the_rate(server):
    times = answering(server)
    async with client(server, rate_per_s=10) as api:
        began = time.monotonic()
        assert await asyncio.gather(*(ask(api, f"m{n}") for n in range(15))) == [None] * 15
    assert times[9] - times[0] < 0.8, "ten at once, not one every tenth of a second"
    assert times[14] - began >= 0.5


async def test_a_pause_that_begins_while_requests_wait_for_slots_does_not_let_them_all_go_at_its_end(server):
    """Five of ten go at once, the others have slots 0.2 s apart from 0.2 s on; one is told to wait for 1.1 s."""
    times = answering(server, 429, **{"Retry-After": "1.1"})
    async with client(server, rate_per_s=5) as api:
        began = time.monotonic()
        errors = await asyncio.gather(*(ask(api, f"m{n}") for n in range(10)))
    assert [type(e) for e in errors if e] == [ApiPausedError]
    held_back = [at for at in times if at - times[0] >= 1.1]
    assert len(held_back) >= 2
    assert held_back[-1] - began >= 1.2 + 0.2 * (len(held_back) - 1)  # the slot after the tenth is at 1.2 s


async def test_an_api_that_is_down_is_left_alone_and_probed_by_one(server):
    times = answering(server, *[500] * 5)
    openings = metrics.api_breaker_openings._value.get()
    async with client(server, listing_max_age_s=0) as api:
        with capture_logs() as logs:
            assert [type(await ask(api)) for _ in range(5)] == [ApiUnavailableError] * 5
            errors = await asyncio.gather(*(ask(api, f"m{n}") for n in range(20)))
        assert {type(e) for e in errors} == {ApiPausedError}
        assert all(0 < e.retry_after_s <= 1 for e in errors)
        assert len(times) == 5
        assert metrics.api_breaker_state._value.get() == 2
        assert metrics.api_breaker_openings._value.get() == openings + 1
        assert [line["event"] for line in logs] == ["api_breaker_opened"]

        arrived, gate = held(server)
        await asyncio.sleep(errors[0].retry_after_s)
        probes = [asyncio.create_task(ask(api, f"m{n}")) for n in range(20)]
        await arrived.get()
        assert metrics.api_breaker_state._value.get() == 1
        refused, under_way = await asyncio.wait(probes, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(5):
            while len(under_way) > 1:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
        assert {type(task.result()) for task in refused} == {ApiPausedError}
        assert arrived.empty()
        gate.set()
        with capture_logs() as logs:
            assert await under_way.pop() is None
        assert [line["event"] for line in logs] == ["api_breaker_closed"]
        assert metrics.api_breaker_state._value.get() == 0
        assert await asyncio.gather(*(ask(api, f"m{n}") for n in range(20))) == [None] * 20


async def test_a_probe_that_fails_is_no_try_of_its_recording(server):
    answering(server, *[500] * 6)
    async with client(server, listing_max_age_s=0) as api:
        errors = [await ask(api) for _ in range(6)]
        await asyncio.sleep(errors[-1].retry_after_s)
        with capture_logs() as logs:
            probe = await ask(api)
    assert type(probe) is ApiPausedError
    assert "status 500" in str(probe)
    assert [(line["event"], line["seconds"]) for line in logs] == [("api_probe_failed", 2)]


async def test_refusals_and_silence_by_turns_do_not_open_it(server):
    """An API that answers 422 is up, whatever it makes of the question."""
    statuses = [500, 422] * 6
    answering(server, *statuses)
    async with client(server, listing_max_age_s=0) as api:
        errors = [await ask(api) for _ in statuses]
    assert [type(e) for e in errors] == [ApiUnavailableError, ApiRefusedError] * 6


async def test_time_outs_and_refused_connections_open_it_too(server, unused_tcp_port):
    held(server)
    async with client(server, timeout_s=0.05) as api:
        kinds = [type(await ask(api)) for _ in range(6)]
    assert kinds == [ApiUnavailableError] * 5 + [ApiPausedError]
    server.url = f"http://127.0.0.1:{unused_tcp_port}"
    async with client(server) as api:
        kinds = [type(await ask(api)) for _ in range(6)]
    assert kinds == [ApiUnavailableError] * 5 + [ApiPausedError]


@pytest.fixture
async def two_processes(server, database_url):
    """Two clients with nothing in common but the database, as two processes are."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            database = open_database(database_url)
            stack.push_async_callback(database.close)
            config = ApiConfig(url=server.url, credentials=lambda: KEY)
            api = await stack.enter_async_context(open_api(config, shared=DatabasePause(database, server.url)))
            clients.append((api, database))
        yield clients


async def test_a_pause_holds_every_process_and_outlives_the_one_that_was_told(server, two_processes):
    times = answering(server, 429, **{"Retry-After": "1"})
    (first, _), (second, _) = two_processes
    assert type(await ask(first)) is ApiPausedError
    assert await asyncio.gather(*(ask(api, f"m{n}") for n in range(5) for api in (first, second))) == [None] * 10
    assert len(times) == 11
    assert min(times[1:]) - times[0] >= 1


async def test_a_long_pause_is_an_error_in_every_process(server, two_processes):
    answering(server, 429, 429, **{"Retry-After": "90"})
    errors = [await ask(api) for api, _ in two_processes]
    assert {type(e) for e in errors} == {ApiPausedError}
    assert all(80 < e.retry_after_s <= 90 for e in errors)
    assert len(server.requests) == 1


async def test_a_pause_that_is_lifted_holds_no_process(server, two_processes):
    answering(server, 429, **{"Retry-After": "9999999999"})
    (first, database), (second, _) = two_processes
    errors = [await ask(first), await ask(second)]
    assert [type(e) for e in errors] == [ApiPausedError] * 2
    assert all(86_000 < e.retry_after_s <= 86_400 for e in errors)
    await Interventions(database).end_api_pause(
        server.url, by=Actor("token:alice"), left_s=86_400, now=datetime.now(UTC)
    )
    assert [await ask(first), await ask(second)] == [None, None]
    assert len(server.requests) == 3


async def test_the_shared_pause_is_the_longest_one(database):
    pauses = [DatabasePause(database, url) for url in ("https://a.example", "https://a.example", "https://b.example")]
    assert [await pause.left_s() for pause in pauses] == [0, 0, 0]
    await pauses[0].ask(60)
    await pauses[1].ask(5)
    left_s = [await pause.left_s() for pause in pauses]
    assert 55 < left_s[0] <= 60
    assert 55 < left_s[1] <= 60
    assert left_s[2] == 0
    await pauses[1].ask(90)
    assert 85 < await pauses[0].left_s() <= 90


async def test_without_the_database_a_process_keeps_its_own_pause(server):
    times = answering(server, 429, **{"Retry-After": "0.5"})
    database = open_database("postgresql://nobody@127.0.0.1:1/none")
    async with open_api(
        ApiConfig(url=server.url, credentials=lambda: KEY), shared=DatabasePause(database, server.url)
    ) as api:
        with capture_logs() as logs:
            assert type(await ask(api)) is ApiPausedError
            assert await ask(api) is None
    await database.close()
    assert times[1] - times[0] >= 0.5
    assert {line["event"] for line in logs} == {"api_paused", "api_pause_not_shared", "api_pause_unknown"}
