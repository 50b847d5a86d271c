"""A slow download host, and a limit on all processes together, with real processes."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

from receiver.sandbox import Sandbox
from tests.support.databases import ON_POSTGRESQL
from tests.support.invariants import check_invariants
from tests.support.service import Service, make_meeting, set_fault, worker_process

FILE = {"kind": "generated", "size_bytes": 400_000}


def archived(items: list[dict]) -> set[str]:
    return {item["id"] for item in items if item["state"] == "archived"}


async def test_a_slow_host_does_not_hold_up_another(sandbox: Sandbox, service: Service) -> None:
    """Forty files of a host that sends ten kilobytes a second; then one of another host, which is there at once."""
    port = sandbox.storage_url.rpartition(":")[2]
    service.settings |= {
        "CONCURRENCY": "4",
        "API_ADMIN_KEY": "",  # so the payload names the host
        "DOWNLOAD_HOSTS": f"http://127.0.0.1:{port},http://localhost:{port}",
        "SHUTDOWN_GRACE_S": "0",
    }
    await service.start()
    slow = await make_meeting(sandbox, *[FILE] * 40)
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=10_000, match=slow["meeting"]["_id"])
    assert (await service.post(json.dumps(slow["payload"]).encode())).status_code == 202
    await service.until(lambda items: sum(item["state"] == "archiving" for item in items) == 3)
    quick = await make_meeting(sandbox, FILE)
    body = json.dumps(quick["payload"]).replace("127.0.0.1", "localhost")
    assert (await service.post(body.encode())).status_code == 202
    (recording,) = quick["recordings"]
    items = await service.until(lambda items: recording["_id"] in archived(items), timeout_s=10)
    assert archived(items) == {recording["_id"]}
    assert sum(item["attempts"] for item in items) == 3 + 1
    assert await service.stop() == 0
    await check_invariants(service, archived={recording["_id"]: recording["sha256"]})


@ON_POSTGRESQL  # SQLite has one worker
async def test_two_workers_stay_within_the_global_limit(sandbox: Sandbox, service: Service) -> None:
    service.command = ("serve", "--no-work")
    service.settings |= {"CONCURRENCY": "4", "GLOBAL_CONCURRENCY": "3"}
    await service.start()
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=800_000)
    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            await stack.enter_async_context(worker_process(service, name))
        made = await make_meeting(sandbox, *[FILE] * 20)
        assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
        most = 0
        async with asyncio.timeout(60):
            while len(archived(items := await service.recordings())) < 20:
                most = max(most, sum(item["state"] == "archiving" for item in items))
                assert most <= 3
        assert most == 3
    assert all(b"recording_archived" in (service.folder / f"{name}.log").read_bytes() for name in ("one", "two"))
    assert await service.stop() == 0
    await check_invariants(service, archived={one["_id"]: one["sha256"] for one in made["recordings"]})
