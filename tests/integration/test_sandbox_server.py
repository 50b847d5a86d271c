"""The emulator as a server, and its control surface."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig, run_forever
from receiver.sandbox.platform import Platform
from receiver.sandbox.server import _api_app
from tests.support.vendor import ADMIN, session_body


@pytest.fixture
async def sandbox():
    async with Sandbox(SandboxConfig(seed=7)) as running:
        yield running


@pytest.fixture
async def api(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [{"recordings": [{"kind": "mov"}]}, {"recording": []}, {"recordings": [{"kind": "mp4", "size_bytes": 5}]}],
)
async def test_a_scene_that_is_misspelt_is_refused(api, body):
    assert (await api.post("/_control/meetings", json=body)).status_code == 422


async def test_answers_carry_the_platforms_clock(api):
    answer = await api.get("/nowhere")
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == pytest.approx(time.time(), abs=3)


async def test_another_name_for_others():
    async with (
        Sandbox(SandboxConfig(public_host="localhost")) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as api,
    ):
        scene = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
        url = scene["payload"]["callRecords"][0]["download_url"]
        assert url.startswith("http://localhost:")
        assert (await api.get(url)).status_code == 200


async def test_control_is_for_loopback_alone():
    transport = httpx.ASGITransport(_api_app(Platform(SandboxConfig())), client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as remote:
        assert (await remote.get("/_control/mails")).status_code == 403


async def test_it_serves_until_cancelled():
    started = asyncio.Queue()
    task = asyncio.create_task(run_forever(SandboxConfig(), started.put_nowait))
    sandbox = await asyncio.wait_for(started.get(), 10)
    async with httpx.AsyncClient(base_url=sandbox.url) as api:
        assert (await api.get("/_control/mails")).status_code == 200
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(httpx.TransportError):
            await api.get("/_control/mails")


async def test_a_taken_port_leaves_nothing_behind(sandbox):
    with pytest.raises(OSError, match="address already in use"):
        await Sandbox(SandboxConfig(port=urlsplit(sandbox.url).port)).__aenter__()


async def test_a_seed_repeats_the_ids(api):
    first = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
    async with Sandbox(SandboxConfig(seed=7)) as other, httpx.AsyncClient(base_url=other.url) as again:
        second = (await again.post("/_control/meetings", json={"recordings": [{}]})).json()
    assert first["recordings"] == second["recordings"]


def test_the_description_has_what_a_person_needs():
    described = Sandbox(SandboxConfig()).describe()
    assert described["admin_key"] == "sandbox-admin-key"
    assert all(line.startswith("curl ") for line in described["examples"])


async def test_rotated_credentials_replace_the_old_ones(sandbox, api):
    bot = {"CB-Token": (await api.post("/session", json=session_body())).json()["session"]["token"]}
    new = {"admin_key": "key-2", "auth_secret": "secret-2", "user_password": "password-2"}
    assert (await api.patch("/_control/credentials", json=new)).status_code == 204
    statuses = [
        (await api.get("/meetings", headers=bot)).status_code,
        (await api.get("/admin/meetings/recordings/x", headers=ADMIN)).status_code,
        (await api.get("/admin/meetings/recordings/x", headers={**ADMIN, next(iter(ADMIN)): "key-2"})).status_code,
        (await api.post("/session", json=session_body())).status_code,
    ]
    assert statuses == [401, 401, 404, 401]
    again = session_body(user={"login": "archive-bot", "password": "password-2"})
    assert (await api.post("/session", json=again)).status_code == 201
    assert sandbox.config.admin_key == "sandbox-admin-key", "the given configuration is the caller's own"
