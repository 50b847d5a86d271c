"""Secrets that come from files change while the service runs: no restart, no request lost, the old one is refused."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.service import OPS_TOKEN, WEBHOOK_SECRET, Service, control, make_meeting

pytestmark = ON_SQLITE  # files are read beside the database, whichever it is

FILE = {"kind": "generated", "size_bytes": 20_000}
NEW_SECRET = "canary-webhook-secret-2"
NEW_TOKEN = "canary-ops-token-2"


class Files:
    """The files that the service's secrets come from."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def put(self, name: str, value: str, *, replaced: bool = False) -> None:
        """Write in place, as an editor does, or put another file in its place, as a secret store does."""
        path = self._service.folder / name.lower()
        self._service.settings[name] = ""
        self._service.settings[f"{name}_FILE"] = str(path)
        if replaced:
            beside = path.with_suffix(".new")
            beside.write_text(value)
            beside.replace(path)
        else:
            path.write_text(value)


@pytest.fixture
def files(service: Service) -> Files:
    return Files(service)


async def statuses(service: Service, made: dict, *secrets: str) -> list[int]:
    """Deliver with each of these secrets."""
    async with httpx.AsyncClient(timeout=30) as client:
        url = f"{service.url}/webhooks/recording-done/"
        return [(await client.post(url + secret, json=made["payload"])).status_code for secret in secrets]


async def pages(service: Service, *cursor: str) -> httpx.Response:
    async with service.client() as client:
        return await client.get("/api/recordings", params={"limit": 1, **({"cursor": cursor[0]} if cursor else {})})


async def test_webhook_secrets(sandbox: Sandbox, service: Service, files: Files) -> None:
    files.put("WEBHOOK_SECRETS", WEBHOOK_SECRET)
    await service.start()
    made = await make_meeting(sandbox, FILE, FILE)
    assert await statuses(service, made, WEBHOOK_SECRET, NEW_SECRET) == [202, 401]
    cursor = (await pages(service)).json()["next"]

    files.put("WEBHOOK_SECRETS", f"{NEW_SECRET},{WEBHOOK_SECRET}")
    assert await statuses(service, made, NEW_SECRET, WEBHOOK_SECRET) == [200, 200]
    assert (await pages(service, cursor)).status_code == 200, "a listing goes on while both are good"
    newer = (await pages(service)).json()["next"]

    files.put("WEBHOOK_SECRETS", NEW_SECRET, replaced=True)
    assert await statuses(service, made, NEW_SECRET, WEBHOOK_SECRET) == [200, 401]
    assert (await pages(service, newer)).status_code == 200
    assert (await pages(service, cursor)).status_code == 400
    await the_log_is_clean(service, NEW_SECRET, WEBHOOK_SECRET)


async def test_a_malformed_file_leaves_the_old_secret_in_use(sandbox: Sandbox, service: Service, files: Files) -> None:
    files.put("WEBHOOK_SECRETS", WEBHOOK_SECRET)
    await service.start()
    made = await make_meeting(sandbox, FILE)
    files.put("WEBHOOK_SECRETS", "too-short")
    assert await statuses(service, made, WEBHOOK_SECRET, NEW_SECRET, WEBHOOK_SECRET) == [202, 401, 200]
    (event,) = events([service.log_path], "secret_not_rotated")
    assert "RECEIVER_WEBHOOK_SECRETS_FILE" in event["error"]
    (service.folder / "webhook_secrets").unlink()
    assert await statuses(service, made, WEBHOOK_SECRET) == [200]
    assert "cannot be read" in events([service.log_path], "secret_not_rotated")[1]["error"]
    files.put("WEBHOOK_SECRETS", NEW_SECRET)
    assert await statuses(service, made, NEW_SECRET, WEBHOOK_SECRET) == [200, 401]


async def test_ops_tokens(service: Service, files: Files) -> None:
    files.put("OPS_TOKENS", f"tester:admin:{OPS_TOKEN}")
    await service.start()

    async def answered(token: str) -> int:
        async with service.client(token) as client:
            return (await client.get("/api/stats")).status_code

    assert [await answered(token) for token in (OPS_TOKEN, NEW_TOKEN)] == [200, 401]
    files.put("OPS_TOKENS", f"tester:admin:{NEW_TOKEN}")
    assert [await answered(token) for token in (OPS_TOKEN, NEW_TOKEN)] == [401, 200]
    files.put("OPS_TOKENS", f"tester:boss:{OPS_TOKEN}")
    assert [await answered(token) for token in (OPS_TOKEN, NEW_TOKEN)] == [401, 200]
    (event,) = events([service.log_path], "secret_not_rotated")
    assert "RECEIVER_OPS_TOKENS_FILE" in event["error"]
    await the_log_is_clean(service, OPS_TOKEN, NEW_TOKEN)


async def deliver(sandbox: Sandbox, service: Service, meetings: int) -> dict[str, str]:
    """Deliver this many meetings of one recording each; return the hashes by recording."""
    made = [await make_meeting(sandbox, FILE) for _ in range(meetings)]
    answers = await asyncio.gather(*(service.post(json.dumps(one["payload"]).encode()) for one in made))
    assert {answer.status_code for answer in answers} == {202}
    return {recording["_id"]: recording["sha256"] for one in made for recording in one["recordings"]}


async def refusals(sandbox: Sandbox) -> list[str]:
    """Return the paths that the API answered with 401 or 422."""
    entries = await control(sandbox, "GET", "/requests")
    return [entry["path"] for entry in entries if entry["side"] == "api" and entry["status"] in (401, 422)]


def session_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of a user's signed login."""
    config = sandbox.config
    return {
        "API_ADMIN_KEY": "",
        "API_APP_ID": str(config.app_id),
        "API_AUTH_KEY": config.auth_key,
        "API_USER_LOGIN": config.user_login,
        "API_USER_ID": str(config.user_id),
    }


async def test_admin_key(sandbox: Sandbox, service: Service, files: Files) -> None:
    files.put("API_ADMIN_KEY", sandbox.config.admin_key)
    await service.start()
    hashes = await deliver(sandbox, service, 5)
    await service.until_archived(5)
    await control(sandbox, "PATCH", "/credentials", {"admin_key": "canary-admin-key-2"})
    hashes |= await deliver(sandbox, service, 5)
    await service.until(lambda items: any((item["error"] or {}).get("code") == "api_unauthorized" for item in items))
    files.put("API_ADMIN_KEY", "canary-admin-key-2\n", replaced=True)
    await service.until_archived(10)
    before = len(await refusals(sandbox))
    hashes |= await deliver(sandbox, service, 5)
    await service.until_archived(15)
    assert len(await refusals(sandbox)) == before
    await the_log_is_clean(service, sandbox.config.admin_key, "canary-admin-key-2")
    await check_invariants(service, archived=hashes)


async def test_token(sandbox: Sandbox, service: Service, files: Files) -> None:
    config = sandbox.config
    login = {
        "application_id": config.app_id,
        "auth_key": config.auth_key,
        "user": {"login": config.user_login, "password": config.user_password},
    }
    async with httpx.AsyncClient(base_url=sandbox.url) as api:

        async def token() -> str:
            answer = await api.post("/session", json=login | {"timestamp": int(time.time())})
            return str(answer.json()["session"]["token"])

        old, new = await token(), await token()
        files.put("API_TOKEN", old)
        service.settings["API_ADMIN_KEY"] = ""
        await service.start()
        hashes = await deliver(sandbox, service, 3)
        await service.until_archived(3)
        files.put("API_TOKEN", new)
        await api.delete("/session", headers={"CB-Token": old})
        hashes |= await deliver(sandbox, service, 3)
        items = await service.until_archived(6)
    assert all(item["attempts"] == 1 for item in items)
    assert await refusals(sandbox) == []
    await the_log_is_clean(service, old, new)
    await check_invariants(service, archived=hashes)


async def test_password_and_auth_secret_of_a_user(sandbox: Sandbox, service: Service, files: Files) -> None:
    service.settings |= session_of(sandbox)
    files.put("API_AUTH_SECRET", sandbox.config.auth_secret)
    files.put("API_USER_PASSWORD", sandbox.config.user_password)
    await service.start()
    hashes = await deliver(sandbox, service, 3)
    await service.until_archived(3)
    new = {"auth_secret": "canary-auth-secret-2", "user_password": "canary-password-2"}
    await control(sandbox, "PATCH", "/credentials", new)
    files.put("API_AUTH_SECRET", new["auth_secret"])
    files.put("API_USER_PASSWORD", new["user_password"])
    hashes |= await deliver(sandbox, service, 3)
    items = await service.until_archived(6)
    assert all(item["attempts"] == 1 for item in items)
    assert await refusals(sandbox) == []
    await the_log_is_clean(service, *new.values())
    await check_invariants(service, archived=hashes)


async def the_log_is_clean(service: Service, *values: str) -> None:
    text = service.log_path.read_text()
    assert [value for value in values if value in text] == []
