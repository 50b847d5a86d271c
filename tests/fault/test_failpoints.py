"""SIGKILL at every named moment of a delivery and a run; started again, the service ends what it had acknowledged."""

from __future__ import annotations

import asyncio
import json
import signal

import httpx
import pytest

from receiver.failpoints import Failpoint
from receiver.sandbox import Sandbox
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.service import Service, control, make_meeting

SIZE_BYTES = 12_000_000  # three parts


@pytest.mark.parametrize("point", Failpoint)
async def test_killed_at(point: Failpoint, sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": SIZE_BYTES})
    (recording,) = made["recordings"]
    body = json.dumps(made["payload"]).encode()
    service.settings |= {"PART_SIZE_MB": "5"}
    service.environ["FAILPOINT"] = point
    await service.start()
    try:
        acknowledged = (await service.post(body)).status_code == 202
    except httpx.TransportError:  # killed before the answer: the platform cannot know, and sends it again
        acknowledged = False
    assert service.process is not None
    assert await asyncio.wait_for(service.process.wait(), 30) == -signal.SIGKILL

    await age_heartbeats(service.database_url)

    del service.environ["FAILPOINT"]
    await service.start()
    if not acknowledged:
        assert point is Failpoint.DELIVERY_COMMITTED
        assert (await service.post(body)).status_code == 200, "the row was there, so the resend is a duplicate"
    (item,) = await service.until_archived(1, timeout_s=90)
    assert item["attempts"] <= 2
    source = await control(sandbox, "GET", f"/recordings/{recording['_id']}")
    at_most = 1 if point in {Failpoint.OBJECT_STORED, Failpoint.MANIFEST_STORED, Failpoint.ARCHIVED} else 2
    assert source["bytes_sent"] <= at_most * SIZE_BYTES + 2048, "a completed object is proven, not fetched again"
    assert await service.stop() == 0
    await check_invariants(service, archived={recording["_id"]: recording["sha256"]})
