"""A platform that asks for a pause, or is down: nobody asks it, nothing is counted, and all goes on by itself."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack

from receiver.sandbox import Sandbox
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault, worker_process

FILE = {"kind": "generated", "size_bytes": 50_000}


async def deliver(sandbox: Sandbox, service: Service, meetings: int) -> dict[str, str]:
    """Deliver this many meetings of one recording each; return the hashes by recording."""
    made = [await make_meeting(sandbox, FILE) for _ in range(meetings)]
    for one in made:
        assert (await service.post(json.dumps(one["payload"]).encode())).status_code == 202
    return {recording["_id"]: recording["sha256"] for one in made for recording in one["recordings"]}


async def asked(sandbox: Sandbox) -> list[dict]:
    return [entry for entry in await control(sandbox, "GET", "/requests") if entry["side"] == "api"]


@ON_POSTGRESQL  # several working processes
async def test_one_429_holds_the_workers_of_every_process(sandbox: Sandbox, service: Service) -> None:
    """`Retry-After: 3` to one of three processes: for three seconds none of them asks."""
    service.command = ("serve", "--no-work")
    await service.start()
    async with AsyncExitStack() as stack:
        for name in ("one", "two", "three"):
            await stack.enter_async_context(worker_process(service, name))
        before = await deliver(sandbox, service, 6)
        await service.until_archived(6)
        await set_fault(sandbox, on="api", kind="status", status=429, retry_after=3, times=1)
        after = await deliver(sandbox, service, 30)
        items = await service.until_archived(36)
    entries = await asked(sandbox)
    (told,) = [entry for entry in entries if entry["status"] == 429]
    later = [entry["at"] for entry in entries if entry["at"] > told["at"]]
    # what was on its way when the answer came, and the answer's own way into the database
    in_pause = [at for at in later if 0.5 < at - told["at"] < 3]
    assert in_pause == []
    assert len(later) >= 25
    assert all(item["attempts"] == 1 for item in items), "a recording that was told to wait is not counted"
    await check_invariants(service, archived=before | after)


@ON_SQLITE  # what an outage counts for is decided beside the database
async def test_an_outage_fails_no_recording_for_good(sandbox: Sandbox, service: Service) -> None:
    """Five tries of the only recording open the breaker, and none of them is counted."""
    service.settings |= {"API_TIMEOUT_S": "0.3", "MAX_ATTEMPTS": "2"}
    await service.start()
    await set_fault(sandbox, on="api", kind="hang", delay_s=30)
    hashes = await deliver(sandbox, service, 1)
    logs = [service.log_path]
    async with asyncio.timeout(60):
        while not events(logs, "api_probe_failed"):
            await asyncio.sleep(0.05)
    (item,) = await service.until(lambda items: items[0]["state"] == "waiting" and code(items[0]) == "api_paused")
    assert item["attempts"] == 0
    breaker, queue = await metrics(service)
    assert breaker in {1, 2}, "open, or with a probe out"
    assert queue == 1
    probes = len(events(logs, "api_probe_failed"))
    assert len(await asked(sandbox)) - probes in {5, 6}, "the five and the probes, of which one may be out"

    await control(sandbox, "DELETE", "/faults")
    (item,) = await service.until_archived(1)
    assert item["attempts"] == 1
    assert await metrics(service) == (0, 0)
    assert [len(events(logs, f"api_breaker_{end}")) for end in ("opened", "closed")] == [1, 1]
    await check_invariants(service, archived=hashes)


def code(item: dict) -> str | None:
    return (item["error"] or {}).get("code")


async def metrics(service: Service) -> tuple[float, float]:
    """Return the breaker's state, and whether new runs are held back."""
    async with service.client() as client:
        text = (await client.get("/metrics")).text
    names = ("receiver_api_breaker_state", "receiver_queue_paused")
    breaker, queue = (re.findall(rf"^{name} (.+)$", text, re.MULTILINE)[0] for name in names)
    return float(breaker), float(queue)
