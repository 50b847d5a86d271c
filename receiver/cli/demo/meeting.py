"""The demo's one meeting: held, recorded, announced by the platform, archived by the service, and proven."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from receiver.cli.demo.platform import MEETING_NAME, PlatformUser
from receiver.cli.demo.proof import Proof, prove
from receiver.cli.demo.stage import tail
from receiver.cli.demo.steps import DemoError
from receiver.figures import size

if TYPE_CHECKING:
    from datetime import timedelta

    from receiver.cli.demo.stage import Stage
    from receiver.cli.demo.steps import Steps

POLL_S = 0.1
_FINAL = frozenset({"archived", "failed", "missing", "cancelled"})


async def hold_meeting(stage: Stage, steps: Steps, *, files: int, size_bytes: int, patience: timedelta) -> list[Proof]:
    """Run one recorded meeting through and return a proof for each of its recordings."""
    user = PlatformUser(stage.http, stage.sandbox)
    with steps.step("Logging in to the platform") as result:
        host_id = await user.log_in()
        result.append(f"POST /session: logged in as user {host_id}")
    with steps.step("Scheduling a meeting") as result:
        meeting_id = await user.create_meeting(host_id)
        result.append(f'POST /meetings: "{MEETING_NAME}", record: true, id {meeting_id}')
    with steps.step("Ending the meeting") as result:
        await user.end_meeting(meeting_id, files=files, size_bytes=size_bytes)
        what = "recording" if files == 1 else "recordings"
        result.append(f"Meeting over: {files} {what} of {size(size_bytes)}; the platform posts its webhook")
    with steps.step("Archiving") as result:
        recordings = await _archived(stage, steps, meeting_id, files, patience)
        archived = [one["archive"]["size_bytes"] for one in recordings if one["archive"]]
        result.append(f"Archived: {len(archived)} of {len(recordings)}, {size(sum(archived))}")
    with steps.step("Reading the objects back from the bucket") as result:
        proofs = [await prove(one, await user.source(one["id"]), stage.bucket) for one in recordings]
        result.append(f"Read back from the bucket: {size(sum(p.object.size_bytes or 0 for p in proofs))}")
    return proofs


async def _archived(
    stage: Stage, steps: Steps, meeting_id: str, files: int, patience: timedelta
) -> list[dict[str, Any]]:
    """Ask the service until every recording of the meeting is at its end; tell each change of state."""
    told: dict[str, str] = {}
    try:
        async with asyncio.timeout(patience.total_seconds()):
            while True:
                found = await _recordings(stage, meeting_id)
                _tell_changes(found, told, steps)
                if len(found) >= files and all(one["state"] in _FINAL for one in found):
                    return found
                if stage.service.returncode is not None:
                    raise DemoError(f"the service ended; the end of its log:\n{tail(stage.log_file)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError as e:
        states = ", ".join(f"{key} {state}" for key, state in told.items()) or "the service knows no recording"
        raise DemoError(
            f"not archived within {patience.total_seconds():.0f} s ({states}); the end of the service's log:\n"
            f"{tail(stage.log_file)}"
        ) from e


async def _recordings(stage: Stage, meeting_id: str) -> list[dict[str, Any]]:
    url = f"{stage.service_url}/api/recordings"
    headers = {"Authorization": f"Bearer {stage.ops_token}"}
    async with stage.http.get(url, params={"meeting_id": meeting_id, "limit": "1000"}, headers=headers) as answer:
        if answer.status != 200:
            raise DemoError(f"the service answered {answer.status} to GET /api/recordings: {await answer.text()}")
        items: list[dict[str, Any]] = (await answer.json())["items"]
    return items


def _tell_changes(found: list[dict[str, Any]], told: dict[str, str], steps: Steps) -> None:
    for one in found:
        if told.get(one["id"]) == one["state"]:
            continue
        told[one["id"]] = one["state"]
        detail = f", {size(one['archive']['size_bytes'])}" if one["archive"] else ""
        detail += f", {one['error']['code']}: {one['error']['message']}" if one["error"] else ""
        steps.note(f"Recording {one['id']}: {one['state']}{detail}")
