"""The host loses power again and again, and one recording kills its worker: none is lost, that one is set aside."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from receiver.failpoints import Failpoint
from tests.support.crashes import CrashSeries
from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.service import Service, make_meeting

if TYPE_CHECKING:
    from receiver.sandbox import Sandbox


async def test_a_series_of_kills_ends_nobody_and_sets_the_guilty_aside(sandbox: Sandbox, service: Service) -> None:
    series = CrashSeries(sandbox, service, recordings=20)
    await series.run(kills=10, between_s=0.5)
    print(f"{series.kills} kills, {series.own_kills} of the guilty recording's own making")


@ON_SQLITE  # what a crash counts for is the same; one process is enough
async def test_a_power_loss_at_every_claim_uses_no_attempts_up(sandbox: Sandbox, service: Service) -> None:
    """As often as all attempts and more: the recording is set aside, and a retry archives it."""
    service.settings["MAX_ATTEMPTS"] = "2"
    service.environ["FAILPOINT"] = Failpoint.CLAIMED
    made = await make_meeting(sandbox, {"kind": "mp4"})
    (recording,) = made["recordings"]
    await service.start()
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    for _ in range(3):
        await _died(service)
        await service.start()
    await _died(service)
    del service.environ["FAILPOINT"]
    await service.start()
    (item,) = await service.until(lambda items: items[0]["state"] == "waiting")
    assert (item["error"]["code"], item["attempts"]) == ("worker_crashed", 0)
    assert "tried again by itself, but ever more rarely" in item["error"]["message"]
    assert events([service.log_path], "recording_set_aside")
    async with service.client() as client:
        assert (await client.post(f"/api/recordings/{recording['_id']}/retry")).status_code == 200
    (item,) = await service.until_archived(1)
    assert item["attempts"] == 1
    await check_invariants(service, archived={recording["_id"]: recording["sha256"]})


async def _died(service: Service) -> None:
    assert service.process is not None
    await asyncio.wait_for(service.process.wait(), 60)
    await age_heartbeats(service.database_url)
