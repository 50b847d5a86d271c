"""SIGKILL at two moments of the main job, many times over: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.support.crashes import retry_set_aside
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.service import Service, control, make_meeting

if TYPE_CHECKING:
    from receiver.sandbox import Sandbox

ROUNDS = 6


async def _acknowledged(sandbox: Sandbox, service: Service, *recordings: dict) -> dict[str, str]:
    """Post a new meeting, see the 202, and return the SHA-256 of each of its sources."""
    made = await make_meeting(sandbox, *recordings)
    answer = await service.post(json.dumps(made["payload"]).encode())
    assert answer.status_code == 202
    return {record["_id"]: record["sha256"] for record in made["recordings"]}


async def _until_bytes_flow(sandbox: Sandbox, recording_id: str, at_least: int) -> None:
    while (await control(sandbox, "GET", f"/recordings/{recording_id}"))["bytes_sent"] < at_least:
        await asyncio.sleep(0.01)  # the platform runs in this process, too


async def _kill_long_ago(service: Service) -> None:
    await service.kill()
    await age_heartbeats(service.database_url)


async def test_kills_lose_and_double_nothing(sandbox: Sandbox, service: Service) -> None:
    sources: dict[str, str] = {}
    service.settings |= {"PART_SIZE_MB": "5"}
    for number in range(ROUNDS):
        await service.start()
        if number % 2:
            sources |= await _acknowledged(sandbox, service, {"kind": "mp4"}, {"kind": "mp4"})
        else:  # mid-transfer: in the second of three parts
            await control(sandbox, "POST", "/faults", {"on": "storage", "kind": "slow", "bytes_per_s": 40_000_000})
            new = await _acknowledged(sandbox, service, {"kind": "generated", "size_bytes": 12_000_000})
            sources |= new
            await _until_bytes_flow(sandbox, *new, at_least=6_000_000)
        await _kill_long_ago(service)
        await control(sandbox, "DELETE", "/faults")
    await service.start()
    async with asyncio.timeout(120):
        while any(item["state"] != "archived" for item in await service.recordings()):
            await retry_set_aside(service, sources)
            await asyncio.sleep(0.1)
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)


@ON_SQLITE  # what lies in the store is no database's; that both remember it at every moment, `test_failpoints` shows
async def test_a_killed_transfer_goes_on_with_the_parts_in_the_store(sandbox: Sandbox, service: Service) -> None:
    size_bytes = 120_000_000  # what the sockets between hold, up to 10 MB on a busy machine, is sent again too
    service.settings |= {"PART_SIZE_MB": "5"}
    await service.start()
    await control(sandbox, "POST", "/faults", {"on": "storage", "kind": "slow", "bytes_per_s": 20_000_000})
    sources = await _acknowledged(sandbox, service, {"kind": "generated", "size_bytes": size_bytes})
    (recording_id,) = sources
    await _until_bytes_flow(sandbox, recording_id, at_least=size_bytes // 2)
    await _kill_long_ago(service)
    await control(sandbox, "DELETE", "/faults")
    await service.start()
    await service.until_archived(1, timeout_s=120)
    sent = (await control(sandbox, "GET", f"/recordings/{recording_id}"))["bytes_sent"]
    assert size_bytes < sent <= 1.25 * size_bytes
    assert await service.stop() == 0
    assert '"upload_resumed"' in service.log_path.read_text()
    await check_invariants(service, archived=sources)
