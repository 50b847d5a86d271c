"""The platform replaces a recording's file: no object is ever overwritten, the newer file is kept, and it is said."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from receiver.objectstore import Bucket
from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting
from tests.support.store_proxy import Rule, StoreProxy, s3_error

FILES = pytest.mark.parametrize(
    "file", [{"kind": "mp4"}, {"kind": "generated", "size_bytes": 12_000_000}], ids=["one request", "parts"]
)


@pytest.fixture(autouse=True)
def _settings(service: Service) -> None:
    service.settings |= {"PART_SIZE_MB": "5", "MAX_ATTEMPTS": "1"}


async def replaced(sandbox: Sandbox, made: dict[str, Any]) -> tuple[bytes, str]:
    """Have the platform write the file anew; return what its webhook says then, and the new bytes' SHA-256."""
    (old,) = made["recordings"]
    recording = sandbox._platform.recordings.get(old["_id"])
    assert recording is not None
    recording.file.replace()
    recording.updated_at += timedelta(hours=1)
    payload = await control(sandbox, "GET", f"/meetings/{made['meeting']['_id']}/payload")
    new_sha256 = await recording.file.sha256()
    assert new_sha256 != old["sha256"]
    return json.dumps(payload).encode(), new_sha256


def changes(service: Service) -> list[dict[str, Any]]:
    return events([service.log_path], "recording_file_changed")


async def told(service: Service) -> dict[str, Any]:
    """Return the one change that a run tells of, which it does once the row is written."""
    async with asyncio.timeout(30):
        while not (found := changes(service)):
            await asyncio.sleep(0.05)
    (change,) = found
    return change


async def counted(service: Service, outcome: str) -> bool:
    async with service.client() as client:
        return f'receiver_changed_files_total{{outcome="{outcome}"}} 1.0' in (await client.get("/metrics")).text


@FILES
async def test_a_failed_recording_that_comes_with_another_file(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy, file: dict
) -> None:
    """The first file was stored, and its run failed before that was recorded."""
    store_proxy.rules.append(Rule(r"PUT .*\.json", times=99, answer=s3_error(400, "InvalidRequest")))
    made = await make_meeting(sandbox, file)
    (old,) = made["recordings"]
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    await service.until(lambda items: items[0]["state"] == "failed")
    await check_invariants(service, archived={})

    store_proxy.rules.clear()
    body, new_sha256 = await replaced(sandbox, made)
    await service.post(body)
    (item,) = await service.until_archived(1)
    assert (item["archive"]["file_version"], item["archive"]["sha256"]) == (2, new_sha256)
    first_key = item["archive"]["key"].replace(".v2.", ".")
    change = await told(service)
    assert (change["recording_id"], change["key"]) == (old["_id"], item["archive"]["key"])
    assert await counted(service, "kept")
    await check_invariants(service, archived={old["_id"]: new_sha256}, kept={first_key: old["sha256"]})


@ON_SQLITE  # what is noted is the same as above
@FILES
async def test_a_failed_recording_that_is_retried_with_the_same_file(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy, file: dict
) -> None:
    store_proxy.rules.append(Rule(r"PUT .*\.json", times=99, answer=s3_error(400, "InvalidRequest")))
    made = await make_meeting(sandbox, file)
    (old,) = made["recordings"]
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    await service.until(lambda items: items[0]["state"] == "failed")

    store_proxy.rules.clear()
    async with service.client() as client:
        await client.post(f"/api/recordings/{old['_id']}/retry")
    (item,) = await service.until_archived(1)
    assert item["archive"]["file_version"] == 1
    assert changes(service) == []
    assert (await control(sandbox, "GET", f"/recordings/{old['_id']}"))["gets"] == 1, "what is stored is not fetched"
    await check_invariants(service, archived={old["_id"]: old["sha256"]})


@ON_SQLITE  # what lies in the bucket is no database's
@FILES
async def test_a_stranger_s_object_under_the_key_is_neither_overwritten_nor_taken_for_ours(
    sandbox: Sandbox, service: Service, bucket: Bucket, file: dict
) -> None:
    made = await make_meeting(sandbox, file)
    (source,) = made["recordings"]
    service.settings["KEY_TEMPLATE"] = "recordings/{recording_id}"
    key = f"recordings/{source['_id']}.mp4"
    await bucket.put(key, b"a stranger's", content_type="video/mp4")
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until_archived(1)
    assert item["archive"]["key"] == f"recordings/{source['_id']}.v2.mp4"
    assert (await told(service))["key"] == item["archive"]["key"]
    kept = {key: sha256(b"a stranger's").hexdigest()}
    await check_invariants(service, archived={source["_id"]: source["sha256"]}, kept=kept)


async def test_an_archived_recording_that_is_named_with_another_file_stays_and_is_reported(
    sandbox: Sandbox, service: Service
) -> None:
    """A POST is a hint: it neither starts a second copy of what is archived, nor passes unseen."""
    made = await make_meeting(sandbox, {"kind": "mp4"})
    (old,) = made["recordings"]
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (before,) = await service.until_archived(1)
    body, _ = await replaced(sandbox, made)
    for status in (202, 200):
        assert (await service.post(body)).status_code == status
    assert [change["recording_id"] for change in changes(service)] == [old["_id"]]
    assert await counted(service, "not_fetched")
    assert await service.recordings() == [before]
    assert (await control(sandbox, "GET", f"/recordings/{old['_id']}"))["gets"] == 1
    await check_invariants(service, archived={old["_id"]: old["sha256"]})
