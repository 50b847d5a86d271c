"""SIGKILL at every named moment of `receiver erase`, beside the running service; run again, it ends what had begun."""

from __future__ import annotations

import asyncio
import json
import signal

from receiver.failpoints import ErasurePoint
from receiver.objectstore import BucketConfig, open_bucket
from receiver.sandbox import Sandbox
from tests.support.service import Service, make_meeting


async def test_an_erasure_killed_anywhere_is_ended_by_the_next_run(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, *[{"kind": "mp4"}] * (len(ErasurePoint) + 1))
    *doomed, spared = [one["_id"] for one in made["recordings"]]
    await service.start()
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    keys = {one["id"]: one["archive"]["key"] for one in await service.until_archived(len(ErasurePoint) + 1)}
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        for point, recording_id in zip(ErasurePoint, doomed, strict=True):
            command = ("erase", "--recording-id", recording_id, "--reason", "request 7", "--yes")
            service.environ["FAILPOINT"] = point
            code, _, stderr = await service.ran(*command)
            assert code == -signal.SIGKILL, (point, code, stderr)
            shown = {one["id"]: one["state"] for one in await service.recordings()}
            assert shown[recording_id] == "erased", "the index names nobody of it from the first step on"
            del service.environ["FAILPOINT"]
            code, _, stderr = await service.ran(*command)
            assert code == 0, (point, stderr)
            stem = keys[recording_id].removesuffix("mp4")
            assert await bucket.files_under(stem) == [], point
        assert {file.key for file in await bucket.files_under(keys[spared])} == {keys[spared], f"{keys[spared]}.json"}
    states = {one["id"]: (one["state"], (one["error"] or {}).get("code")) for one in await service.recordings()}
    assert states == dict.fromkeys(doomed, ("erased", None)) | {spared: ("archived", None)}


async def test_two_commands_that_erase_one_person_at_once_both_end_well(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, *[{"kind": "mp4"}] * 12)
    await service.start()
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    await service.until_archived(12)
    host = str(made["payload"]["hostUser"]["id"])
    command = ("erase", "--person", host, "--reason", "request 8", "--yes", "--json")
    ended = await asyncio.gather(service.ran(*command), service.ran(*command))
    assert [code for code, *_ in ended] == [0, 0], ended
    assert all(json.loads(stdout)["complete"] for _, stdout, _ in ended)
    assert {one["state"] for one in await service.recordings()} == {"erased"}
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        assert [key async for key in bucket.keys("") if "/.receiver-" not in key] == []
    code, _, stderr = await service.ran("audit-log", "--verify", "--json")
    assert code == 0, stderr
