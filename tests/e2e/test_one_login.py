"""A session that ends under fifty jobs, with the real service."""

from __future__ import annotations

import asyncio
import json

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault

FILE = {"kind": "generated", "size_bytes": 20_000}


async def deliver(service: Service, *made: dict) -> dict[str, str]:
    """Deliver these meetings; return the hashes by recording."""
    answers = await asyncio.gather(*(service.post(json.dumps(one["payload"]).encode()) for one in made))
    assert {answer.status_code for answer in answers} == {202}
    return {recording["_id"]: recording["sha256"] for one in made for recording in one["recordings"]}


async def asked(sandbox: Sandbox) -> list[dict]:
    return [entry for entry in await control(sandbox, "GET", "/requests") if entry["side"] == "api"]


@ON_SQLITE  # who logs in is decided in one process, beside the database
async def test_a_session_that_ends_under_fifty_jobs_costs_one_login(sandbox: Sandbox, service: Service) -> None:
    config = sandbox.config
    service.settings |= {
        "API_ADMIN_KEY": "",
        "API_APP_ID": str(config.app_id),
        "API_AUTH_KEY": config.auth_key,
        "API_AUTH_SECRET": config.auth_secret,
        "API_USER_LOGIN": config.user_login,
        "API_USER_PASSWORD": config.user_password,
        "API_USER_ID": str(config.user_id),
        "CONCURRENCY": "50",
        "HOST_CONCURRENCY": "50",
        "API_RATE_PER_S": "1000",
    }
    await service.start()
    hashes = await deliver(service, *[await make_meeting(sandbox, FILE) for _ in range(5)])
    await service.until_archived(5)
    made = [await make_meeting(sandbox, FILE) for _ in range(50)]
    await set_fault(sandbox, on="api", kind="slow", delay_s=0.5)  # so that many are under way
    await control(sandbox, "PATCH", "/credentials", {"user_password": config.user_password})  # ends its sessions
    hashes |= await deliver(service, *made)
    items = await service.until_archived(55)
    entries = await asked(sandbox)
    assert [entry["path"] for entry in entries].count("/session") == 2
    assert sum(entry["status"] == 401 for entry in entries) > 10
    assert all(item["attempts"] == 1 for item in items)
    await check_invariants(service, archived=hashes)
