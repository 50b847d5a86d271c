"""The POST is a hint (P8), and no secret leaves (P9): seen from outside, with listeners and byte scans."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.app.check import Health
from receiver.app.check.downloads import download_findings
from receiver.sandbox import Sandbox
from tests.support.checking import expect, found_by, settings_of
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.leaks import database_bytes, fetched_signatures, found, signatures
from tests.support.service import OPS_TOKEN, WEBHOOK_SECRET, Service, make_meeting, set_fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NO_CREDENTIALS = {"API_URL": "", "API_ADMIN_KEY": ""}


@pytest.fixture
def _traced(service: Service) -> None:
    """Measure the service's own process: only it goes without credentials."""
    service.traced = True


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[str, list[object]]]:
    """Listen where nobody should ever connect; yield the origin and what came."""
    came: list[object] = []

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came


def forged(payload: dict, origin: str) -> bytes:
    """Return the payload with every download URL pointing at `origin`."""
    for record in payload["callRecords"]:
        record["download_url"] = record["download_url"].replace(
            "://".join(urlsplit(record["download_url"])[:2]), origin
        )
    return json.dumps(payload).encode()


@ON_SQLITE  # what is connected to is decided before and beside the database
async def test_with_credentials_a_forged_url_is_never_contacted(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, {"kind": "mp4"})
    async with canary() as (origin, came):
        service.settings["DOWNLOAD_HOSTS"] = f"{sandbox.storage_url},{origin}"  # even where the origin is allowed
        await service.start()
        assert (await service.post(forged(made["payload"], origin))).status_code == 202
        (item,) = await service.until_archived(1)
        assert item["url_origin"] == "api"
        assert came == []
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})


@ON_SQLITE  # what is connected to is decided before and beside the database
@pytest.mark.parametrize("settings", [{}, {"DOWNLOAD_NETWORKS": ""}], ids=["origin", "network"])
async def test_without_credentials_only_allowed_origins_and_networks_are_contacted(
    sandbox: Sandbox, service: Service, settings: dict[str, str]
) -> None:
    made = await make_meeting(sandbox, {"kind": "mp4"})
    async with canary() as (origin, came):
        service.settings |= NO_CREDENTIALS | settings
        if settings:  # the origin is allowed, its loopback address is not
            service.settings["DOWNLOAD_HOSTS"] = origin
        await service.start()
        await service.post(forged(made["payload"], origin))
        (item,) = await service.until(lambda items: items[0]["state"] == "failed")
        assert item["error"]["code"] == "source_url_forbidden"
        setting = "RECEIVER_DOWNLOAD_NETWORKS" if settings else "RECEIVER_DOWNLOAD_HOSTS"
        assert setting in item["error"]["message"]
        own = settings_of(DATABASE_URL=service.database_url, DOWNLOAD_HOSTS=origin if settings else sandbox.storage_url)
        name, state = ("download networks", Health.WARNING) if settings else ("download hosts", Health.WRONG)
        expect(await found_by(download_findings(own)), name, state, origin, setting)
        assert came == []


@ON_SQLITE  # what is connected to is decided before and beside the database
async def test_a_url_of_the_api_outside_the_allow_list_is_not_contacted(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, {"kind": "mp4"})
    async with canary() as (origin, came):
        await set_fault(sandbox, on="api", kind="url_points_to", body=origin)
        await service.start()
        await service.post(json.dumps(made["payload"]).encode())
        (item,) = await service.until(lambda items: items[0]["state"] == "failed")
        assert item["error"]["code"] == "source_url_forbidden"
        assert came == []


@pytest.mark.usefixtures("_traced")
async def test_without_credentials_the_payload_s_url_is_used_and_the_row_says_so(
    sandbox: Sandbox, service: Service
) -> None:
    made = await make_meeting(sandbox, {"kind": "mp4"})
    service.settings |= NO_CREDENTIALS
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until_archived(1)
    assert item["url_origin"] == "payload"
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})
    assert found(await database_bytes(service), signatures(made["payload"])) == []  # dropped once archived


@pytest.mark.usefixtures("_traced")
async def test_without_credentials_an_expired_url_says_what_to_do(sandbox: Sandbox, service: Service) -> None:
    service.settings |= NO_CREDENTIALS
    await service.start()
    made = await make_meeting(sandbox, {"kind": "mp4"})
    for record in made["payload"]["callRecords"]:
        record["download_url"] = f"{sandbox.storage_url}/videos/x?AWSAccessKeyId=X&Expires=1690551720&Signature=X"
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until(lambda items: items[0]["state"] == "failed")
    assert item["error"]["code"] == "no_fresh_url"
    assert "RECEIVER_API_ADMIN_KEY" in item["error"]["message"]


@pytest.mark.parametrize("way", ["admin", "login"])
async def test_no_secret_is_in_logs_database_metrics_or_answers(sandbox: Sandbox, service: Service, way: str) -> None:
    config = sandbox.config
    if way == "login":
        service.settings |= {
            "API_ADMIN_KEY": "",
            "API_APP_ID": str(config.app_id),
            "API_AUTH_KEY": config.auth_key,
            "API_AUTH_SECRET": config.auth_secret,
            "API_USER_LOGIN": config.user_login,
            "API_USER_PASSWORD": config.user_password,
        }
    service.settings["MAX_ATTEMPTS"] = "2"
    made = await make_meeting(sandbox, {"kind": "mp4"}, host_id=config.user_id)
    bad = await make_meeting(sandbox, {"kind": "mp4"}, host_id=config.user_id)
    await set_fault(sandbox, on="storage", kind="html", match=bad["recordings"][0]["file_uid"])
    await service.start()
    for payload in (made["payload"], bad["payload"]):
        await service.post(json.dumps(payload).encode())
    await service.post(b'{"token": "x", "url": "https://h/v?Signature=' + b"canary-rejected-signature" + b'"}')
    async with httpx.AsyncClient(base_url=service.url) as client:
        await client.post("/webhooks/recording-done/canary-wrong-secret-9", content=b"{}")
    await service.until(lambda items: {i["state"] for i in items} == {"archived", "failed"})
    learned = await fetched_signatures(sandbox)
    assert learned
    secrets = [
        WEBHOOK_SECRET,
        OPS_TOKEN,
        config.admin_key,
        config.auth_key,
        config.auth_secret,
        config.user_password,
        service.seaweed.secret_key,
        "canary-rejected-signature",
        "canary-wrong-secret-9",
        *signatures(made["payload"]),
        *signatures(bad["payload"]),
        *learned,
    ]
    async with service.client() as client:
        deliveries = (await client.get("/api/deliveries")).json()["items"]
        paths = ["/metrics", "/api/recordings", "/api/stats", *(f"/api/deliveries/{d['id']}" for d in deliveries)]
        answers = "".join([(await client.get(path)).text for path in paths])
    assert await service.stop() == 0
    log = service.log_path.read_bytes()
    assert b"delivery_accepted" in log
    for place in (log, await database_bytes(service), answers.encode()):
        assert found(place, secrets) == []
