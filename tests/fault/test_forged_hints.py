"""Somebody who knows the webhook's secret posts what is not true: the true recording is archived as what it is (P8).

With credentials the API's listing decides; without, nothing of one id touches another's object or manifest.
"""

from __future__ import annotations

import copy
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.app.check import Health
from receiver.app.check.downloads import download_findings
from receiver.objectstore import Bucket
from receiver.sandbox import Sandbox
from tests.support.checking import expect, found_by, settings_of
from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.reconciling import AS_USER
from tests.support.service import Service, control, make_meeting, set_fault

NO_CREDENTIALS = {"API_URL": "", "API_ADMIN_KEY": ""}
UNKNOWN = "f" * 24
PEOPLE = [11, 12]
CREATED_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
FILE = {
    "kind": "mp4",
    "participants_ids": PEOPLE,
    "created_at": CREATED_AT.isoformat(),
    "updated_at": CREATED_AT.isoformat(),
}
FALSE = {
    "created_at": "1999-01-01T00:00:00Z",
    "participants_ids": [666],
    "participants_count": 1,
    "file_uid": "another",
    "duration": 1.0,
}
AS_EITHER = pytest.mark.parametrize("way", [{}, AS_USER], ids=["admin key", "user session"])


def forged(payload: dict[str, Any], meeting_id: str, **record: Any) -> bytes:
    """Return the payload under another meeting, with the records' fields replaced."""
    lie = copy.deepcopy(payload)
    lie["meeting"] |= {"_id": meeting_id, "name": "Not what it was", "start_date": 0, "end_date": 1}
    lie["hostUser"] |= {"full_name": "Mallory", "login": "mallory", "email": "mallory@example.com"}
    for one in lie["callRecords"]:
        one |= {"room_id": meeting_id, **record}
    return json.dumps(lie).encode()


def body(made: dict[str, Any]) -> bytes:
    return json.dumps(made["payload"]).encode()


async def assert_true(service: Service, made: dict[str, Any], *, named: bool = True) -> dict[str, Any]:
    """Wait for the recording to be archived, and require that nothing of it is a lie; return it."""
    (item,) = [item for item in await service.until_archived(1) if item["state"] == "archived"]
    assert_is_true(item, made, named=named)
    await check_invariants(service, archived={source["_id"]: source["sha256"] for source in made["recordings"]})
    return item


def assert_is_true(item: dict[str, Any], made: dict[str, Any], *, named: bool = True) -> None:
    (source,), meeting = made["recordings"], made["meeting"]
    assert (item["id"], item["meeting"]["id"]) == (source["_id"], meeting["_id"])
    assert item["participant_ids"] == PEOPLE
    assert [datetime.fromisoformat(item[name]) for name in ("created_at", "updated_at")] == [CREATED_AT] * 2
    assert item["duration_s"] == made["payload"]["callRecords"][0]["duration"]
    folder = f"recordings/{CREATED_AT:%Y/%m/%d}/{meeting['_id']}"
    assert item["archive"]["key"] == f"{folder}/{source['_id']}.mp4"
    assert item["archive"]["sha256"] == source["sha256"]
    if named:
        assert item["meeting"]["name"] == meeting["name"]
        assert datetime.fromisoformat(item["meeting"]["start_date"]).timestamp() == meeting["start_date"]


@pytest.mark.parametrize(
    ("way", "database_url"),
    [({}, "postgresql"), (AS_USER, "sqlite")],  # each way once, each database once: neither knows of the other
    indirect=["database_url"],
    ids=["admin key", "user session"],
)
async def test_a_real_id_under_another_meeting(sandbox: Sandbox, service: Service, way: dict[str, str]) -> None:
    """Under one that nobody knows and one that is another's; before the truth, after it, and both."""
    service.settings |= way
    await service.start()
    told = []
    for n, (is_known, order) in enumerate(itertools.product((False, True), ("before", "after", "before and after"))):
        made = await make_meeting(sandbox, FILE, name=f"Weekly {n}")
        other = (await make_meeting(sandbox, {"kind": "mp4"}))["meeting"]["_id"] if is_known else f"{UNKNOWN[1:]}{n}"
        lies = [
            forged(made["payload"], other, updated_at=updated_at, **FALSE)
            for updated_at in ("2999-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(hours=20)).isoformat())
        ]
        for one in (lies if "before" in order else []) + [body(made)] + (lies[::-1] if "after" in order else []):
            assert (await service.post(one)).is_success
        told.append(made)
    items = {item["id"]: item for item in await service.until_archived(len(told))}
    for made in told:
        item = items[made["recordings"][0]["_id"]]
        assert_is_true(item, made)
        assert item["host"]["login"] == made["payload"]["hostUser"]["login"]
    await check_invariants(service, archived={one["_id"]: one["sha256"] for made in told for one in made["recordings"]})


@ON_SQLITE  # which meeting is asked for is no database's
async def test_a_real_id_under_more_meetings_than_one_run_asks_for(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, FILE, name="Weekly")
    await service.start()
    for n in range(20):
        lie = forged(made["payload"], f"{n:x}".rjust(24, "0"), updated_at=datetime.now(UTC).isoformat(), **FALSE)
        assert (await service.post(lie)).is_success
    assert (await service.post(body(made))).is_success
    await assert_true(service, made)


@pytest.mark.parametrize(
    ("way", "command", "database_url"),
    [({}, "backfill", "sqlite"), (AS_USER, "reconcile", "postgresql")],
    indirect=["database_url"],
    ids=["backfill", "reconcile"],
)
@pytest.mark.parametrize("state", ["missing", "failed"])
async def test_a_real_id_that_no_true_delivery_ever_names(
    sandbox: Sandbox, service: Service, way: dict[str, str], command: str, state: str
) -> None:
    """The listing of its true meeting takes it there."""
    made = await make_meeting(sandbox, FILE, name="Weekly")
    service.settings |= way | {"MAX_ATTEMPTS": "1"}
    if state == "failed":
        await set_fault(sandbox, on="api", kind="status", status=403, match=UNKNOWN)
    await service.start()
    await service.post(forged(made["payload"], UNKNOWN, updated_at="2999-01-01T00:00:00Z", **FALSE))
    await service.until(lambda items: items[0]["state"] == state)
    ids = service.folder / "ids.txt"
    ids.write_text(made["meeting"]["_id"])
    arguments = ["--meeting-ids", str(ids)] if command == "backfill" else ["--since", "30d"]
    _, stdout, stderr = await service.ran(command, "--json", *arguments)
    assert json.loads(stdout)["reopened"] == 1, stderr
    assert "recording_moved" in stderr
    await assert_true(service, made, named=command == "reconcile")


@AS_EITHER
@ON_SQLITE  # whose word counts is no database's
async def test_the_right_meeting_with_false_dates_names_and_participants(
    sandbox: Sandbox, service: Service, way: dict[str, str]
) -> None:
    made = await make_meeting(sandbox, FILE, name="Weekly")
    service.settings |= way
    await service.start()
    await service.post(forged(made["payload"], made["meeting"]["_id"], updated_at="1999-01-01T00:00:00Z", **FALSE))
    item = await assert_true(service, made, named=bool(way))  # an administration key is told no meeting's name
    (told,) = events([service.log_path], "delivery_contradicted")
    assert (told["recording_id"], told["fields"]) == (item["id"], ["created_at", "participants_ids"])


@ON_SQLITE  # whose word counts is no database's
async def test_what_the_api_has_confirmed_no_delivery_changes(sandbox: Sandbox, service: Service) -> None:
    """Neither while the recording waits for its next run, nor when it is archived."""
    made = await make_meeting(sandbox, FILE, name="Weekly")
    (source,) = made["recordings"]
    service.settings |= {"MAX_ATTEMPTS": "1"}
    fault = await control(
        sandbox, "POST", "/faults", {"on": "storage", "kind": "status", "status": 404, "match": source["file_uid"]}
    )
    await service.start()
    await service.post(body(made))
    (before,) = await service.until(lambda items: items[0]["state"] == "failed")
    await control(sandbox, "DELETE", f"/faults/{fault['id']}")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await service.post(forged(made["payload"], UNKNOWN, updated_at=later, **FALSE))
    archived = await assert_true(service, made)
    said = ("meeting", "host", "participant_ids", "created_at", "updated_at", "file_uid", "duration_s")
    assert [archived[name] for name in said] == [before[name] for name in said]
    await service.post(forged(made["payload"], UNKNOWN, updated_at=later, x=1, **FALSE))
    assert await service.recordings() == [archived]


@ON_SQLITE  # what lies in the bucket is no database's
async def test_without_credentials_ids_that_look_alike_have_objects_of_their_own(
    sandbox: Sandbox, service: Service
) -> None:
    made = await make_meeting(sandbox, {**FILE, "_id": "X"}, {**FILE, "_id": "Y"})
    service.settings |= NO_CREDENTIALS
    await service.start()
    await service.post(body(made))
    await service.until_archived(2)
    (true, other) = made["payload"]["callRecords"]
    lies = {"-X": other, "X--": other, "--X-": true}
    for recording_id, file in lies.items():
        await service.post(json.dumps(made["payload"] | {"callRecords": [{**file, "_id": recording_id}]}).encode())
    items = await service.until_archived(5)
    folder = f"recordings/{CREATED_AT:%Y/%m/%d}/{made['meeting']['_id']}"
    assert {item["archive"]["key"] for item in items} == {f"{folder}/{item['id']}.mp4" for item in items}
    sha256 = {one["_id"]: one["sha256"] for one in made["recordings"]}
    archived = sha256 | {recording_id: sha256[file["_id"]] for recording_id, file in lies.items()}
    await check_invariants(service, archived=archived)


@ON_SQLITE  # what lies in the bucket is no database's
@pytest.mark.parametrize(
    "there",
    [b'{"recording": {"id": "another"}}', b"no manifest", b"{}", b"\xff"],
    ids=["another's", "text", "{}", "ff"],
)
async def test_a_manifest_that_is_not_the_recording_s_own_is_never_replaced(
    sandbox: Sandbox, service: Service, bucket: Bucket, there: bytes
) -> None:
    made = await make_meeting(sandbox, FILE)
    (source,) = made["recordings"]
    key = f"recordings/{CREATED_AT:%Y/%m/%d}/{made['meeting']['_id']}/{source['_id']}.mp4.json"
    await bucket.put(key, there, content_type="application/json")
    await service.start()
    await service.post(body(made))
    (item,) = await service.until(lambda items: items[0]["state"] == "failed")
    assert item["error"]["code"] == "manifest_conflict"
    assert key in item["error"]["message"]
    assert b"".join([chunk async for chunk in bucket.read(key)]) == there
    await bucket.delete(key)
    async with service.client() as client:
        await client.post(f"/api/recordings/{item['id']}/retry")
    await assert_true(service, made)


@ON_SQLITE  # what is connected to is decided before and beside the database
async def test_without_credentials_nothing_is_fetched_until_somebody_names_the_storage(
    sandbox: Sandbox, service: Service
) -> None:
    """A cloud's name stands for anybody's bucket there."""
    made = await make_meeting(sandbox, FILE)
    service.settings |= NO_CREDENTIALS | {"DOWNLOAD_HOSTS": "", "BACKOFF_MAX_S": "0.1"}
    await service.start()
    bucket = "https://mallory.s3.amazonaws.com"
    lie = copy.deepcopy(made["payload"])
    lie["callRecords"][0] |= {"_id": "forged", "download_url": f"{bucket}/x?Expires=9999999999&Signature=canary"}
    for one in (json.dumps(lie).encode(), body(made)):
        await service.post(one)
    items = await service.until(lambda items: [item["state"] for item in items] == ["waiting"] * 2)
    hosts = {"forged": bucket, made["recordings"][0]["_id"]: sandbox.storage_url}
    for item in items:
        assert (item["error"]["code"], item["attempts"]) == ("download_hosts_unset", 0)
        assert hosts[item["id"]] in item["error"]["message"]
        assert "RECEIVER_DOWNLOAD_HOSTS" in item["error"]["message"]
    found = await found_by(download_findings(settings_of(DATABASE_URL=service.database_url)))
    line = f"RECEIVER_DOWNLOAD_HOSTS={sandbox.storage_url},{bucket}"
    expect(found, "download hosts", Health.WRONG, "no API credentials", line)
    await service.stop()

    service.settings["DOWNLOAD_HOSTS"] = sandbox.storage_url
    await service.start()
    async with service.client() as client:
        for item in items:
            await client.post(f"/api/recordings/{item['id']}/retry")
    await service.until(lambda items: {item["state"] for item in items} == {"archived", "failed"})
    await assert_true(service, made)
