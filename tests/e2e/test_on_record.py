"""What a service tells its log of those it refuses, and of what others on its machine may read."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.service import PLAIN, WEBHOOK_SECRET, Service

pytestmark = ON_SQLITE  # it asks nothing of the database
SENDER = {"X-Forwarded-For": "203.0.113.9"}
WRONG = "canary-wrong-secret-0"


async def test_refused_requests_are_on_record_with_address_and_surface(service: Service) -> None:
    service.command = ("serve", "--no-work")
    service.settings["MAX_BODY_BYTES"] = "1024"
    await service.start()
    right = f"/webhooks/recording-done/{WEBHOOK_SECRET}"
    as_json = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=service.url, headers=SENDER, verify=PLAIN) as client:
        for _ in range(5):
            assert (await client.post(f"/webhooks/recording-done/{WRONG}")).status_code == 401
        assert (await client.post(right, content=b"x" * 2000, headers=as_json)).status_code == 413
        assert (await client.post(right, content=b"x", headers={"Content-Encoding": "br"})).status_code == 415
        assert (await client.post(right, content=b"x", headers=as_json)).status_code == 400
        assert (await client.post("/sign-in", data={"token": WRONG})).status_code == 401
        assert (await client.get("/api/stats", headers={"Authorization": f"Bearer {WRONG}"})).status_code == 401
    assert await service.stop() == 0
    refused = events([service.log_path], "requests_refused")
    assert sorted((e["surface"], e["status"], e["count"]) for e in refused) == [
        ("api", 401, 1),
        ("page", 401, 1),
        ("webhook", 400, 1),
        ("webhook", 401, 1),
        ("webhook", 413, 1),
        ("webhook", 415, 1),
    ]
    assert {e["address"] for e in refused} == {"203.0.113.9"}
    assert WRONG not in service.log_path.read_text()


async def test_an_index_that_others_may_read_is_warned_of(service: Service) -> None:
    path = Path(service.database_url.removeprefix("sqlite:///"))
    path.chmod(0o644)  # noqa: ASYNC240  (a file of the test's own)
    service.command = ("serve", "--no-work")
    await service.start()
    told = events([service.log_path], "database_file_exposed")
    assert {(Path(e["path"]).name, e["mode"]) for e in told} >= {("receiver.db", "644")}
    assert await service.stop() == 0
