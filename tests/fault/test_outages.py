"""The platform or the bucket away, or refusing everybody, a hundred times as long as all attempts take.

Nobody's attempts are used up, the queue pauses and says why, and when it is over all goes on without a hand.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault
from tests.support.store_proxy import Rule, StoreProxy, s3_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Break = Callable[[Sandbox, StoreProxy], Awaitable[None]]

FILE = {"kind": "mp4"}
ATTEMPTS, BASE_S, CAP_S = 2, 0.01, 0.02
OUTAGE_S = 100 * ATTEMPTS * CAP_S
HEALED_S = 60
"""A pause has an upper bound, however long the outage was; the rest is for a busy machine."""


async def _key_refused(sandbox: Sandbox, _store: StoreProxy) -> None:
    await set_fault(sandbox, on="api", kind="status", status=401)


async def _platform_down(sandbox: Sandbox, _store: StoreProxy) -> None:
    await set_fault(sandbox, on="api", kind="status", status=502)


async def _web_page(sandbox: Sandbox, _store: StoreProxy) -> None:
    await set_fault(sandbox, on="api", kind="not_json")


async def _files_down(sandbox: Sandbox, _store: StoreProxy) -> None:
    await set_fault(sandbox, on="storage", kind="status", status=503)


async def _bucket_refusing(_sandbox: Sandbox, store: StoreProxy) -> None:
    store.rules.append(Rule(".*", times=1_000_000, answer=s3_error(403, "AccessDenied")))


async def _bucket_down(_sandbox: Sandbox, store: StoreProxy) -> None:
    store.rules.append(Rule(".*", times=1_000_000, cut_after=0))


CASES = {
    "platform key refused": (_key_refused, "api_unauthorized", "api", "goes on by itself once that is done"),
    "platform down": (_platform_down, "api_unavailable", "api", "waits for the Meetings API and goes on by itself"),
    "web page instead": (_web_page, "api_bad_answer", "api", "waits for the Meetings API and goes on by itself"),
    "host of files down": (_files_down, "source_unavailable", "source", "waits for that host and goes on by itself"),
    "bucket refusing": (_bucket_refusing, "store_denied", "store", "goes on by itself once that is done"),
    "bucket down": (_bucket_down, "store_unavailable", "store", "waits for the bucket and goes on by itself"),
}


@ON_SQLITE  # what an outage counts for is decided beside the database
@pytest.mark.parametrize(("begin", "code", "side", "told"), CASES.values(), ids=CASES)
async def test_nothing_fails_however_long_it_lasts(
    begin: Break, code: str, side: str, told: str, sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    service.settings |= {
        "MAX_ATTEMPTS": str(ATTEMPTS),
        "BACKOFF_BASE_S": str(BASE_S),
        "BACKOFF_MAX_S": str(CAP_S),
        "CONCURRENCY": "4",
    }
    await service.start()
    hashes = await _deliver(sandbox, service)
    await service.until_archived(len(hashes))
    await begin(sandbox, store_proxy)
    hashes |= await _deliver(sandbox, service, 6)
    items = await service.until(lambda items: any(item["error"] for item in items))
    until = asyncio.get_running_loop().time() + OUTAGE_S
    while asyncio.get_running_loop().time() < until:
        items = await service.recordings()
        assert not [item for item in items if item["state"] == "failed"]
        await asyncio.sleep(0.1)
    failed = [item["error"] for item in items if item["error"]]
    assert {error["code"] for error in failed} <= {code, "api_paused"}
    assert any(told in error["message"] for error in failed if error["code"] == code) or code == "api_unavailable"
    async with service.client() as client:
        metrics = (await client.get("/metrics")).text
    assert f'receiver_paused_sides{{side="{side}"}} 1.0' in metrics
    assert f"receiver_queue_paused {float(side != 'source')}" in metrics
    if side != "source":
        told = [
            line for line in metrics.splitlines() if line.startswith(f'receiver_{side}_errors_total{{code="{code}"}}')
        ]
        assert float(told[0].split()[1]) > 0

    await control(sandbox, "DELETE", "/faults")
    store_proxy.rules.clear()
    items = await service.until_archived(len(hashes), timeout_s=HEALED_S)
    assert {item["attempts"] for item in items} == {1}, "no run of the outage counts"
    async with service.client() as client:
        metrics = (await client.get("/metrics")).text
    assert f'receiver_paused_sides{{side="{side}"}} 0.0' in metrics
    paused, resumed = (events([service.log_path], name) for name in ("queue_paused", "queue_resumed"))
    assert [len([one for one in found if one["side"] == side]) for found in (paused, resumed)] == [1, 1]
    await check_invariants(service, archived=hashes)


@ON_SQLITE  # what an outage counts for is decided beside the database
@pytest.mark.parametrize(
    ("fault", "code"),
    [({"kind": "status", "status": 500}, "source_unavailable"), ({"kind": "hang"}, "source_stalled")],
    ids=["500", "hang"],
)
async def test_one_recording_that_always_fails_is_not_taken_for_an_outage(
    sandbox: Sandbox, service: Service, fault: dict, code: str
) -> None:
    """Others are served by the same host meanwhile: it uses its attempts up, and holds none of them back for long."""
    service.settings |= {"MAX_ATTEMPTS": "3", "PROGRESS_TIMEOUT_S": "1"}
    await service.start()
    poisoned = await make_meeting(sandbox, FILE)
    (recording,) = poisoned["recordings"]
    await set_fault(sandbox, on="storage", match=recording["file_uid"], **fault)
    await service.post(json.dumps(poisoned["payload"]).encode())
    hashes: dict[str, str] = {}
    async with asyncio.timeout(60):
        while (await _one(service, recording["_id"]))["state"] != "failed":
            hashes |= await _deliver(sandbox, service)
            await service.until_archived(len(hashes))
    failed = await _one(service, recording["_id"])
    assert (failed["error"]["code"], failed["attempts"]) == (code, 3)
    assert "all 3 attempts are used up, so it is tried again only when you retry it" in failed["error"]["message"]
    await check_invariants(service, archived=hashes)


async def _deliver(sandbox: Sandbox, service: Service, count: int = 1) -> dict[str, str]:
    made = await make_meeting(sandbox, *[FILE] * count)
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return {recording["_id"]: recording["sha256"] for recording in made["recordings"]}


async def _one(service: Service, recording_id: str) -> dict:
    (item,) = [item for item in await service.recordings() if item["id"] == recording_id]
    return item
