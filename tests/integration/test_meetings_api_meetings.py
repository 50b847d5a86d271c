"""The listing of meetings: what the API may answer, and what ends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from receiver.errors import ApiBadAnswerError, ApiForbiddenError, ApiPausedError, ApiRefusedError, ApiUnavailableError
from receiver.meetings import ApiConfig, MeetingTime, UserLogin, open_api
from receiver.records import Host
from tests.support.scripted_api import KEY, MEETING, TOKEN, USER, client, refusal, scripted_api
from tests.support.service import make_meeting

ODD = (("null", None), ("odd", "?"))
SINCE = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.fixture
async def server():
    async with scripted_api() as api:
        yield api


def names(count: int) -> list[str]:
    return [f"{number:024}" for number in range(count)]


def pages(server, listed, *, most=100, honours_offset=True):
    """Let the API list these entries, never more than `most` at once."""

    async def answer(request):
        offset = int(request.query["offset"]) if honours_offset else 0
        return web.json_response(listed[offset : offset + min(most, int(request.query["limit"]))])

    server.listing = answer


async def read(server, credentials=TOKEN, by=MeetingTime.CREATED_AT, **config):
    async with client(server, credentials, **config) as api, asyncio.timeout(20):
        return [page async for page in api.meetings(by, SINCE)]


@pytest.mark.parametrize("most", [100, 7], ids=["pages as asked", "the API's own maximum is smaller"])
async def test_every_meeting_is_listed_and_an_empty_page_ends_it(server, most):
    pages(server, [{"_id": name} for name in names(250)], most=most)
    found = await read(server)
    assert [one.meeting.id for page in found for one in page.meetings] == names(250)
    assert len(server.requests) == -(-250 // most) + 1


async def test_an_api_that_ignores_the_offset_is_asked_twice(server):
    pages(server, [{"_id": name} for name in names(3)], honours_offset=False)
    (page,) = await read(server)
    assert len(page.meetings) == 3
    pages(server, [1, 2, 3], honours_offset=False)
    (page,) = await read(server)
    assert (page.entries, page.dropped) == (3, 3)


async def test_entries_that_name_no_meeting_are_dropped_alone(server):
    listed = [None, 7, [], {}, {"_id": None}, {"_id": "a/b"}, {"_id": "good"}, {"_id": "a" * 65}]
    pages(server, [*listed, *[{"_id": name} for name in names(120)]])
    found = await read(server)
    assert [one.meeting.id for page in found for one in page.meetings] == ["good", *names(120)]
    assert sum(page.dropped for page in found) == 7


async def test_any_field_but_the_id_may_be_missing_or_nonsense(server):
    whole = {
        "_id": "whole",
        "name": "Weekly",
        "start_date": 1613729948,
        "end_date": 1613731012,
        "host_id": 811,
        "created_at": "2021-02-19T10:26:50.013Z",
        "updated_at": "2021-02-19T10:26:51.013Z",
        "record": None,
        "attendees": None,
    }
    null, odd = (whole | {"_id": name} | dict.fromkeys(whole.keys() - {"_id"}, value) for name, value in ODD)
    pages(server, [whole, null, odd])
    (page,) = await read(server)
    first, *others = page.meetings
    assert (first.meeting.name, first.host) == ("Weekly", Host(id=811))
    assert first.meeting.start_date == datetime(2021, 2, 19, 10, 19, 8, tzinfo=UTC)
    assert first.created_at == datetime(2021, 2, 19, 10, 26, 50, 13_000, tzinfo=UTC)
    for other in others:
        assert (other.meeting.start_date, other.meeting.end_date, other.host) == (None, None, Host())
        assert (other.created_at, other.updated_at) == (None, None)


@pytest.mark.parametrize(
    ("by", "filters"),
    [
        (MeetingTime.CREATED_AT, {"created_at[gte]": "2026-03-01T12:00:00.000Z"}),
        (MeetingTime.UPDATED_AT, {"updated_at[gte]": "2026-03-01T12:00:00.000Z"}),
        (MeetingTime.START_DATE, {"start_date[gte]": "1772366400"}),
    ],
)
async def test_the_window_is_asked_for_as_the_page_writes_it(server, by, filters):
    pages(server, [])
    await read(server, by=by)
    (request,) = server.requests
    assert dict(request.query) == {"limit": "100", "offset": "0", **filters}
    assert (request.path, request.headers["CB-Token"]) == ("/meetings", TOKEN.token)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: refusal(403), ApiForbiddenError),
        (lambda: refusal(404), ApiBadAnswerError),
        (lambda: refusal(422), ApiRefusedError),
        (lambda: refusal(429), ApiPausedError),
        (lambda: refusal(500), ApiUnavailableError),
        (lambda: web.Response(body=b"<html>"), ApiBadAnswerError),
        (lambda: web.json_response({"items": []}), ApiBadAnswerError),
    ],
)
async def test_an_answer_that_is_no_listing_is_a_typed_error(server, answer, error):
    async def refuse(_request):
        return answer()

    server.listing = refuse
    with pytest.raises(error) as caught:
        await read(server)
    assert type(caught.value) is error


async def test_a_lost_session_costs_one_login(server):
    async def answer(request):
        if request.headers["CB-Token"] not in server.good_tokens or len(server.requests) == 4:
            server.good_tokens = set()
            return refusal(401, "Required session does not exist")
        return web.json_response([{"_id": name} for name in names(150)][int(request.query["offset"]) :][:100])

    server.listing = answer
    found = await read(server, USER)
    assert [one.meeting.id for page in found for one in page.meetings] == names(150)
    assert server.asked == {"session": 2, "meetings": 4}


async def test_an_administration_key_lists_no_meetings_and_asks_nothing(server):
    async with client(server, KEY) as api:
        assert not api.lists_meetings
        with pytest.raises(ApiRefusedError, match="RECEIVER_API_ADMIN_KEY"):
            await anext(api.meetings(MeetingTime.CREATED_AT, SINCE))
    assert server.requests == []


async def test_the_sandbox_lists_what_the_user_may_see(sandbox):
    for days_ago in (40, 2):
        created_at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
        made = await make_meeting(sandbox, created_at=created_at)
        await make_meeting(sandbox, created_at=created_at, host_id=1, attendees=[{"id": 2}])
    config = sandbox.config
    user = UserLogin(
        app_id=config.app_id, auth_key=config.auth_key, login=config.user_login, password=config.user_password
    )
    async with open_api(ApiConfig(url=sandbox.url, credentials=lambda: user)) as api:
        since = datetime.now(UTC) - timedelta(days=30)
        (page,) = [page async for page in api.meetings(MeetingTime.CREATED_AT, since)]
    assert [one.meeting.id for one in page.meetings] == [made["meeting"]["_id"]]


@pytest.mark.parametrize("period", [1, 2, 3, 7])
async def test_a_listing_that_only_repeats_itself_ends(server, period):
    listed = [[{"_id": f"m{page}"}, {"_id": "always"}] for page in range(period)]

    async def answer(_request):
        return web.json_response(listed[len(server.requests) % period])

    server.listing = answer
    found = await read(server)
    assert {one.meeting.id for page in found for one in page.meetings} == {"always", *(f"m{n}" for n in range(period))}
    assert len(server.requests) <= period + 3


async def test_a_listing_without_end_is_a_bad_answer(server, monkeypatch):
    monkeypatch.setattr("receiver.meetings.client.MOST_PAGES", 20)

    async def answer(_request):
        return web.json_response([{"_id": f"m{len(server.requests)}"}])

    server.listing = answer
    with pytest.raises(ApiBadAnswerError, match="does not end within 20 pages"):
        await read(server)


def described(**more: object) -> dict:
    return {"_id": MEETING, "name": "Weekly", "start_date": 1700000000, "host_id": 811, **more}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (described(), True),  # as the vendor's own client finds it
        ([described(_id="another"), described()], True),
        ([], False),
        (described(_id="another"), False),
        ("text", False),
        (None, False),
    ],
    ids=["one", "listing", "empty", "another", "text", "null"],
)
async def test_a_meeting_is_asked_for_by_its_id_and_remembered(server, answer, found):
    async def listing(_request):
        return web.json_response(answer)

    server.listing = listing
    async with client(server, TOKEN) as api:
        for _ in range(3):
            meeting = await api.meeting(MEETING)
    assert [str(request.rel_url) for request in server.requests] == [f"/meetings?_id={MEETING}"]
    assert (meeting is not None) == found
    assert meeting is None or (meeting.meeting.name, meeting.host.id) == ("Weekly", 811)


async def test_a_meeting_that_the_api_does_not_know_is_none(server):
    async def unknown(_request):
        return refusal(404)

    server.listing = unknown
    async with client(server, TOKEN) as api:
        assert await api.meeting(MEETING) is None


async def test_an_administration_key_is_told_of_no_meeting(server):
    async with client(server, KEY) as api:
        assert await api.meeting(MEETING) is None
    assert server.requests == []
