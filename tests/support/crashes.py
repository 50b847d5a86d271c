"""A host that dies again and again while many small recordings wait, one of which ends every process that runs it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.service import make_meeting, set_fault

if TYPE_CHECKING:
    from collections.abc import Collection

    from receiver.sandbox import Sandbox
    from tests.support.service import Service

HANG_S = 600


async def retry_set_aside(service: Service, ids: Collection[str]) -> None:
    """Retry what kills hit often in a row and then alone: it would come by itself, but only after five minutes."""
    async with service.client() as client:
        for one in await service.recordings():
            is_set_aside = one["state"] == "waiting" and (one["error"] or {}).get("code") == "worker_crashed"
            if is_set_aside and one["id"] in ids:
                assert (await client.post(f"/api/recordings/{one['id']}/retry")).status_code == 200


class CrashSeries:
    """`kills` counts the times that the service was killed, `own_kills` those since it ran the guilty recording.

    It runs the guilty one when it asks the platform for its file, which never answers: then it is killed at once.
    """

    def __init__(self, sandbox: Sandbox, service: Service, *, recordings: int) -> None:
        self._sandbox = sandbox
        self._service = service
        self._count = recordings
        self.kills = 0
        self.own_kills = 0
        self._claims_before: dict[str, int] = {}  # the last kill

    async def run(self, *, kills: int, between_s: float) -> None:
        """Kill so often, besides what the guilty recording does; then let all end, and assert who was archived."""
        service = self._service
        guilty_meeting = await make_meeting(self._sandbox, {"kind": "mp4"})
        (guilty,) = guilty_meeting["recordings"]
        await set_fault(self._sandbox, on="storage", kind="hang", delay_s=HANG_S, match=guilty["file_uid"])
        innocent = await make_meeting(self._sandbox, *[{"kind": "mp4"}] * self._count)
        await service.start()
        for made in (guilty_meeting, innocent):
            assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
        for _ in range(kills):
            if await self._runs(guilty["_id"], within_s=between_s):
                self.own_kills += 1
            await self._kill()
        hashes = {one["_id"]: one["sha256"] for one in innocent["recordings"]}
        async with asyncio.timeout(300):
            while len(await self._archived()) < len(hashes):
                await retry_set_aside(service, hashes)
                if await self._runs(guilty["_id"], within_s=1):
                    self.own_kills += 1
                    await self._kill()
            while await self._runs(guilty["_id"], within_s=1):
                self.own_kills += 1
                await self._kill()
        (item,) = [one for one in await service.recordings() if one["id"] == guilty["_id"]]
        assert (item["state"], item["error"]["code"]) == ("waiting", "worker_crashed")
        assert all(one["attempts"] == 1 for one in await service.recordings() if one["id"] != guilty["_id"])
        await check_invariants(service, archived=hashes)

    async def _runs(self, recording_id: str, *, within_s: float) -> bool:
        """Tell whether the service comes to run this recording soon; what a kill left `archiving` is no run."""
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            items = await self._service.recordings()
            is_claimed = self._claims(recording_id) > self._claims_before.get(recording_id, 0)
            if is_claimed and any(one["id"] == recording_id and one["state"] == "archiving" for one in items):
                await asyncio.sleep(0.1)  # the others that run beside it are hit too
                return True
            await asyncio.sleep(0.05)
        return False

    def _claims(self, recording_id: str) -> int:
        found = events([self._service.log_path], "recording_claimed")
        return len([event for event in found if event["recording_id"] == recording_id])

    async def _archived(self) -> list[dict]:
        return [one for one in await self._service.recordings() if one["state"] == "archived"]

    async def _kill(self) -> None:
        await self._service.kill()
        self.kills += 1
        claimed = [event["recording_id"] for event in events([self._service.log_path], "recording_claimed")]
        self._claims_before = {one: claimed.count(one) for one in claimed}
        await age_heartbeats(self._service.database_url)
        await self._service.start()
