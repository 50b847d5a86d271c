"""The client against the sandbox: the vendor's own rules, and the faults that it can be told to have."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiLoginRefusedError,
    ApiPausedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    RecordingGoneError,
    RecordingNotListedYetError,
)
from receiver.meetings_api import AdminKey, ApiConfig, StaticToken, UserLogin, open_api
from receiver.records import MeetingId, RecordingId, UrlOrigin
from receiver.sandbox import Sandbox, SandboxConfig

CONFIG = SandboxConfig()
KEY = AdminKey(key=CONFIG.admin_key)
USER = UserLogin(
    app_id=CONFIG.app_id,
    auth_key=CONFIG.auth_key,
    auth_secret=CONFIG.auth_secret,
    login=CONFIG.user_login,
    password=CONFIG.user_password,
    expected_user_id=CONFIG.user_id,
)
PLAIN_USER = replace(USER, auth_secret=None, login=None, email=CONFIG.user_email)


class Scene:
    """The sandbox's control, and one meeting with two recordings."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http
        self.meeting = MeetingId("")
        self.recordings: list[RecordingId] = []

    async def control(self, method: str, what: str, **body: object):
        async with self._http.request(method, f"{self.url}/_control/{what}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    async def set(self) -> None:
        made = await self.control("POST", "meetings", recordings=[{"size_bytes": 1000}, {"size_bytes": 2000}])
        self.meeting = MeetingId(made["meeting"]["_id"])
        self.recordings = [RecordingId(r["_id"]) for r in made["recordings"]]

    async def fault(self, kind: str, **body: object) -> None:
        await self.control("POST", "faults", on="api", kind=kind, **body)

    async def asked(self) -> list[tuple[str, str]]:
        requests = await self.control("GET", "requests")
        return [(r["method"], r["path"]) for r in requests if not r["path"].startswith("/_control")]

    def client(self, credentials=KEY, **config):
        return open_api(ApiConfig(url=self.url, credentials=lambda: credentials, **config))


@pytest.fixture
async def scene():
    async with Sandbox(CONFIG) as sandbox, aiohttp.ClientSession() as http:
        scene = Scene(sandbox.url, http)
        await scene.set()
        yield scene


@pytest.mark.parametrize(
    ("credentials", "life"),
    [(KEY, timedelta(days=7)), (USER, timedelta(hours=1)), (PLAIN_USER, timedelta(hours=1))],
    ids=["admin key", "signed login", "plain login by e-mail"],
)
async def test_recordings_are_listed_with_urls_that_work(scene, credentials, life):
    async with scene.client(credentials) as api:
        recordings = await api.recordings(scene.meeting)
        url = await api.fresh_url(scene.recordings[1], scene.meeting)
    assert {r.id for r in recordings} == set(scene.recordings)
    assert {r.meeting_id for r in recordings} == {scene.meeting}
    assert {r.file_uid is not None for r in recordings} == {credentials is KEY}
    assert url.origin is UrlOrigin.API
    assert abs(url.expires_at - datetime.now(UTC) - life) < timedelta(minutes=1)
    async with aiohttp.ClientSession() as http, http.get(url.url) as file:
        assert (file.status, len(await file.read())) == (200, 2000)


async def test_fifty_jobs_of_one_meeting_cost_one_login_and_one_listing(scene):
    async with scene.client(USER) as api:
        await asyncio.gather(*(api.fresh_url(scene.recordings[n % 2], scene.meeting) for n in range(50)))
    assert await scene.asked() == [("POST", "/session"), ("GET", f"/meetings/recordings/{scene.meeting}")]


async def test_lost_session_costs_one_login_under_fifty_jobs(scene):
    meetings = []
    for _ in range(50):
        await scene.set()
        meetings.append((scene.recordings[0], scene.meeting))
    async with scene.client(USER, listing_max_age_s=0) as api:
        await api.recordings(scene.meeting)
        await scene.fault("session_expired", times=1)
        urls = await asyncio.gather(*(api.fresh_url(*ids) for ids in meetings))
    assert len({u.url for u in urls}) == 50
    assert [method for method, _ in await scene.asked()].count("POST") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auth_secret": "wrong-secret"}, "Unexpected signature"),
        ({"password": "wrong-password"}, "Unauthorized"),
        ({"app_id": 1}, "No application found"),
        ({"login": "archive-bto"}, f"not of RECEIVER_API_USER_ID {CONFIG.user_id}"),  # the vendor makes a new user
    ],
)
async def test_wrong_login_is_refused_with_the_vendors_words(scene, change, message):
    async with scene.client(replace(USER, **change)) as api:
        with pytest.raises(ApiLoginRefusedError, match=message) as caught:
            await api.recordings(scene.meeting)
    assert "wrong-" not in str(caught.value)


@pytest.mark.parametrize("credentials", [AdminKey(key="wrong-key"), StaticToken(token="wrong-token")])
async def test_wrong_fixed_secret_is_refused(scene, credentials):
    async with scene.client(credentials) as api:
        with pytest.raises((ApiUnauthorizedError, ApiForbiddenError), match="RECEIVER_API_"):
            await api.recordings(scene.meeting)
    assert len(await scene.asked()) == 1


@pytest.mark.parametrize(
    ("fault", "error", "retry_after_s"),
    [
        ({"kind": "status", "status": 429, "retry_after": 30}, ApiPausedError, 30),
        ({"kind": "status", "status": 503}, ApiUnavailableError, None),
        ({"kind": "status", "status": 403}, ApiForbiddenError, None),
        ({"kind": "status", "status": 404}, RecordingGoneError, None),
        ({"kind": "hang", "delay_s": 30}, ApiUnavailableError, None),
        ({"kind": "slow", "delay_s": 30}, ApiUnavailableError, None),
        ({"kind": "not_json"}, ApiBadAnswerError, None),
        ({"kind": "listing_empty"}, RecordingNotListedYetError, None),
        ({"kind": "listing_other_meeting"}, ApiBadAnswerError, None),
    ],
)
async def test_fault_becomes_a_typed_error_and_passes(scene, fault, error, retry_after_s):
    await scene.fault(**fault, times=1)
    async with scene.client(timeout_s=1) as api:
        with pytest.raises(error) as caught:
            await api.fresh_url(scene.recordings[0], scene.meeting)
    assert type(caught.value) is error
    assert caught.value.retry_after_s == retry_after_s
    async with scene.client() as api:
        assert await api.fresh_url(scene.recordings[0], scene.meeting)


async def test_recording_that_is_listed_late_comes_with_a_later_question(scene):
    await scene.fault("listing_empty", times=1)
    async with scene.client() as api:
        with pytest.raises(RecordingNotListedYetError):
            await api.fresh_url(scene.recordings[0], scene.meeting)
        assert await api.fresh_url(scene.recordings[0], scene.meeting)


async def test_unknown_meeting_is_gone(scene):
    async with scene.client() as api:
        with pytest.raises(RecordingGoneError):
            await api.fresh_url(scene.recordings[0], MeetingId("0" * 24))
