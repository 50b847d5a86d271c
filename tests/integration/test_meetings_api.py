"""The client against the sandbox: the vendor's own rules, and the faults that it can be told to have."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    RecordingGoneError,
    RecordingNotListedYetError,
)
from receiver.meetings import AdminKey, ApiConfig, StaticToken, UserLogin, open_api
from receiver.records import MeetingId, RecordingId
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


async def test_fifty_jobs_of_one_meeting_cost_one_login_and_one_listing(scene):
    async with scene.client(USER) as api:
        await asyncio.gather(*(api.listed(scene.recordings[n % 2], scene.meeting) for n in range(50)))
    assert await scene.asked() == [("POST", "/session"), ("GET", f"/meetings/recordings/{scene.meeting}")]


async def test_lost_session_costs_one_login_under_fifty_jobs(scene):
    meetings = []
    for _ in range(50):
        await scene.set()
        meetings.append((scene.recordings[0], scene.meeting))
    async with scene.client(USER, listing_max_age_s=0) as api:
        await api.recordings(scene.meeting)
        await scene.fault("session_expired", times=1)
        urls = await asyncio.gather(*(api.listed(*ids) for ids in meetings))
    assert len({u.url for u in urls}) == 50
    assert [method for method, _ in await scene.asked()].count("POST") == 2


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
            await api.listed(scene.recordings[0], scene.meeting)
    assert type(caught.value) is error
    assert caught.value.retry_after_s == retry_after_s
    async with scene.client() as api:
        assert await api.listed(scene.recordings[0], scene.meeting)


async def test_recording_that_is_listed_late_comes_with_a_later_question(scene):
    await scene.fault("listing_empty", times=1)
    async with scene.client() as api:
        with pytest.raises(RecordingNotListedYetError):
            await api.listed(scene.recordings[0], scene.meeting)
        assert await api.listed(scene.recordings[0], scene.meeting)


async def test_an_administration_key_deletes_all_recordings_of_a_meeting(scene):
    async with scene.client(KEY) as api:
        await api.delete_recordings(scene.meeting)
        assert await api.all_recordings(scene.meeting) == ()
        assert (await scene.asked())[0] == ("DELETE", f"/admin/meetings/recordings/{scene.meeting}")
        with pytest.raises(RecordingGoneError):
            await api.delete_recordings(MeetingId("0" * 24))


async def test_nobody_else_asks_for_a_deletion(scene):
    async with scene.client(USER) as api:
        with pytest.raises(ApiRefusedError, match="RECEIVER_API_ADMIN_KEY"):
            await api.delete_recordings(scene.meeting)
    assert await scene.asked() == []
