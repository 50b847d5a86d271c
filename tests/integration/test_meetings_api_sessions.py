"""Who asks, and how often it logs in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from receiver import metrics
from receiver.errors import (
    ApiBadAnswerError,
    ApiClockSkewError,
    ApiLoginRefusedError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
)
from receiver.meetings import AdminKey, ApiConfig, StaticToken, UserLogin, open_api
from receiver.records import MeetingId
from tests.support.scripted_api import KEY, MEETING, R1, R2, TOKEN, USER, client, entry, listing, refusal, scripted_api


@pytest.fixture
async def server():
    async with scripted_api() as api:
        yield api


@pytest.mark.parametrize(
    ("credentials", "path", "header"),
    [
        (KEY, f"/admin/meetings/recordings/{MEETING}", ("CB-Administration-API-Key", "canary-admin-key")),
        (TOKEN, f"/meetings/recordings/{MEETING}", ("CB-Token", "canary-token")),
        (USER, f"/meetings/recordings/{MEETING}", ("CB-Token", "token-1")),
    ],
)
async def test_each_credential_asks_its_own_way(server, credentials, path, header):
    async with client(server, credentials) as api:
        recordings = await api.recordings(MEETING)
    assert [r.id for r in recordings] == [R1, R2]
    last = server.requests[-1]
    assert (last.method, last.path, last.headers[header[0]]) == ("GET", path, header[1])
    vendor_headers = [name for name in last.headers if name.lower().startswith("cb-")]
    assert vendor_headers == [header[0]]


async def test_base_path_and_hostile_meeting_id_stay_in_the_path(server):
    server.url += "/v2/"
    async with client(server) as api:
        await api.recordings(MeetingId("../a b?c=d#e/ü%2F"))
        for nowhere in ("", ".", ".."):
            with pytest.raises(ApiRefusedError):
                await api.recordings(MeetingId(nowhere))
    (request,) = server.requests
    assert request.raw_path == "/v2/admin/meetings/recordings/..%2Fa%20b%3Fc%3Dd%23e%2F%C3%BC%252F"


async def test_fifty_jobs_share_one_login_and_one_more_after_their_401s(server):
    """50 jobs of 50 meetings get a 401 with the same token before any of them can log in again."""
    meetings = [MeetingId(f"m{n}") for n in range(50)]
    refused = asyncio.Barrier(50)

    async def answer(request):
        if request.headers["CB-Token"] not in server.good_tokens:
            await refused.wait()
            return refusal(401, "Required session does not exist")
        return web.json_response([entry(R1, room_id=request.path.rsplit("/", 1)[1])])

    server.listing = answer
    async with client(server, USER, listing_max_age_s=0) as api:
        await asyncio.gather(*(api.listed(R1, m) for m in meetings))
        assert server.asked["session"] == 1
        server.good_tokens.clear()
        urls = await asyncio.gather(*(api.listed(R1, m) for m in meetings))
    assert len(urls) == 50
    assert server.asked["session"] == 2
    assert len(server.requests) == 2 + 50 + 100


async def test_late_401_of_an_old_token_does_not_log_in_again(server):
    """One job's 401 is still on its way when another has already logged in anew."""
    first_is_here, let_first_go = asyncio.Event(), asyncio.Event()

    async def answer(request):
        meeting = request.path.rsplit("/", 1)[1]
        if request.headers["CB-Token"] == "token-1":
            if meeting == "slow":
                first_is_here.set()
                await let_first_go.wait()
            return refusal(401)
        return web.json_response([entry(R1, room_id=meeting)])

    server.listing = answer
    async with client(server, USER) as api:
        slow = asyncio.create_task(api.listed(R1, MeetingId("slow")))
        await first_is_here.wait()
        await api.listed(R1, MeetingId("quick"))
        let_first_go.set()
        await slow
    assert server.asked["session"] == 2


async def test_second_401_is_an_error_after_one_new_login(server):
    async def answer(_request):
        return refusal(401, "Required session does not exist")

    server.listing = answer
    async with client(server, USER) as api:
        with pytest.raises(ApiUnauthorizedError, match=r"RECEIVER_API_USER_LOGIN.*Required session does not exist"):
            await api.listed(R1, MEETING)
    assert server.asked == {"session": 2, MEETING: 2}


@pytest.mark.parametrize(("credentials", "setting"), [(KEY, "RECEIVER_API_ADMIN_KEY"), (TOKEN, "RECEIVER_API_TOKEN")])
async def test_401_of_a_fixed_secret_is_an_error_at_once(server, credentials, setting):
    async def answer(_request):
        return refusal(401)

    server.listing = answer
    async with client(server, credentials) as api:
        with pytest.raises(ApiUnauthorizedError, match=setting):
            await api.listed(R1, MEETING)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("old", "new", "header"),
    [(KEY, AdminKey(key="key-2"), "CB-Administration-API-Key"), (TOKEN, StaticToken(token="token-2"), "CB-Token")],
)
async def test_secret_that_was_rotated_while_it_was_refused_is_used_at_once(server, old, new, header):
    current = [old]

    async def answer(request):
        current[:] = [new]
        return listing(R1) if request.headers[header] in ("key-2", "token-2") else refusal(401)

    server.listing = answer
    async with open_api(ApiConfig(url=server.url, credentials=lambda: current[0])) as api:
        assert await api.listed(R1, MEETING)
    assert len(server.requests) == 2


async def test_login_that_was_rotated_is_used_with_the_next_question(server):
    current = [USER]
    async with open_api(ApiConfig(url=server.url, credentials=lambda: current[0], listing_max_age_s=0)) as api:
        for _ in range(2):
            await api.listed(R1, MEETING)
        current[:] = [replace(USER, password="password-2")]
        for _ in range(2):
            await api.listed(R1, MEETING)
    assert [body["user"]["password"] for body in server.bodies] == ["canary-password", "password-2"]
    assert [r.headers["CB-Token"] for r in server.requests if r.method == "GET"] == ["token-1"] * 2 + ["token-2"] * 2


async def test_secret_with_a_line_break_is_named_before_anything_is_sent(server):
    async with client(server, AdminKey(key="canary\n")) as api:
        with pytest.raises(ApiUnauthorizedError, match="RECEIVER_API_ADMIN_KEY holds a line break"):
            await api.listed(R1, MEETING)
    assert not server.requests


async def test_token_is_renewed_before_its_announced_end(server):
    """The first answer says that the token has ended by now, so the next question begins with a login."""
    ends = ["2026-03-01 12:00:00 UTC", "2026-03-01 14:00:00 UTC", "2026-03-01 14:00:00 UTC"]

    async def answer(_request):
        response = listing(R1)
        response.headers.update({"Date": "Sun, 01 Mar 2026 12:00:00 GMT", "CB-Token-ExpirationDate": ends.pop(0)})
        return response

    server.listing = answer
    async with client(server, USER, listing_max_age_s=0) as api:
        for _ in range(3):
            await api.listed(R1, MEETING)
    assert [r.headers["CB-Token"] for r in server.requests if r.method == "GET"] == ["token-1", "token-2", "token-2"]


async def test_closing_ends_a_login_under_way(server):
    arrived = asyncio.Event()

    async def answer(_request):
        arrived.set()
        await asyncio.Event().wait()

    server.session = answer
    async with client(server, USER) as api:
        job = asyncio.create_task(api.listed(R1, MEETING))
        await arrived.wait()
    with pytest.raises(ApiUnavailableError, match="shutting down"):
        await job


@pytest.mark.parametrize(
    ("session", "error", "message"),
    [
        ({"token": "t", "user_id": 78}, ApiLoginRefusedError, "user 78, not of RECEIVER_API_USER_ID 77"),
        ({"token": "t", "user": {"id": 78}}, ApiLoginRefusedError, "user 78"),
        ({"token": "t", "user_id": None}, ApiLoginRefusedError, "user unknown"),
        ({"user_id": 77}, ApiBadAnswerError, "no session token"),
        ({"token": 5, "user_id": 77}, ApiBadAnswerError, "no usable session token"),
        ({"token": "a\r\nb: c", "user_id": 77}, ApiBadAnswerError, "no usable session token"),
        ([], ApiBadAnswerError, "no session token"),
        (None, ApiBadAnswerError, "no session token"),
    ],
)
async def test_login_that_opens_no_session_of_ours(server, session, error, message):
    async def answer(_request):
        return web.json_response({"session": session}, status=201)

    server.session = answer
    user = UserLogin(app_id=1, auth_key="a", email="bot@example.com", password="p", expected_user_id=77)
    async with client(server, user) as api:
        with pytest.raises(error, match=message):
            await api.listed(R1, MEETING)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers", "error", "retry_after_s"),
    [
        (401, {}, ApiLoginRefusedError, None),
        (403, {}, ApiLoginRefusedError, None),
        (404, {}, ApiLoginRefusedError, None),
        (422, {"Date": "Sun, 01 Mar 2020 12:00:00 GMT"}, ApiClockSkewError, None),
        (429, {"Retry-After": "7"}, ApiPausedError, 7),
        (500, {}, ApiUnavailableError, None),
        (302, {"Location": "/session2"}, ApiBadAnswerError, None),
    ],
)
async def test_refused_login(server, status, headers, error, retry_after_s):
    async def answer(_request):
        return refusal(status, "wrong canary-password", **headers)

    server.session = answer
    metrics.clock_skew_seconds.set(0)
    before = failed(error.code)
    async with client(server, USER) as api:
        errors = await asyncio.gather(*(api.listed(R1, MeetingId(f"m{n}")) for n in range(9)), return_exceptions=True)
    assert len(server.requests) == 1
    assert {type(e) for e in errors} == {error}
    assert {e.retry_after_s for e in errors} == {retry_after_s}
    assert len({id(e) for e in errors}) == 9  # each waiter raises its own
    assert not [e for e in errors if "canary" in str(e)]
    assert ("minutes ahead of its own" in str(errors[0])) == (status == 422)
    assert (metrics.registry.get_sample_value("receiver_clock_skew_seconds") > 3600) == (status == 422)
    assert failed(error.code) > before


def failed(code: str) -> float:
    return metrics.registry.get_sample_value("receiver_api_errors_total", {"code": code})
