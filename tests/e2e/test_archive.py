"""The main job, with real processes: from the POST into the bucket, proven, and found again."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random

import httpx
import pytest

from receiver.sandbox import Sandbox
from tests.support.cases import posted
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.payloads import DATA
from tests.support.service import Service, control, make_meeting
from tests.support.store_proxy import Rule, StoreProxy

MP4 = {"kind": "mp4"}


async def example_meeting(sandbox: Sandbox) -> dict:
    """Make the page's example meeting at the platform, ids kept; its payload has URLs of the platform's storage."""
    example = json.loads((DATA / "recording-done.json").read_text())
    made = await make_meeting(
        sandbox,
        *(
            {key: record[key] for key in ("_id", "file_uid", "duration", "participants_ids", "created_at")} | MP4
            for record in example["callRecords"]
        ),
        _id=example["meeting"]["_id"],
    )
    urls = {record["_id"]: record["download_url"] for record in made["payload"]["callRecords"]}
    for record in example["callRecords"]:
        record["download_url"] = urls[record["_id"]]
    return {**made, "payload": example}


@pytest.fixture
def _traced(service: Service) -> None:
    """Measure the service's own process: in these tests it starts, works, drains and hands back."""
    service.traced = True


def sources(made: dict) -> dict[str, str]:
    return {record["_id"]: record["sha256"] for record in made["recordings"]}


@pytest.mark.usefixtures("_traced")
async def test_the_example_payload_is_archived(sandbox: Sandbox, service: Service) -> None:
    made = await example_meeting(sandbox)
    await service.start()
    answer = await service.post(json.dumps(made["payload"]).encode())
    assert answer.status_code == 202
    ids = ["64ba8abeea1de683a37139fd", "64ba8acdea1de683a37139fe"]
    assert [r["id"] for r in answer.json()["recordings"]] == ids
    items = {item["id"]: item for item in await service.until_archived(2)}
    item = items["64ba8acdea1de683a37139fe"]
    (source,) = [r for r in made["recordings"] if r["_id"] == item["id"]]
    archive = item.pop("archive")
    assert archive.pop("archived_at") is not None
    assert archive["proof"].pop("at") is not None
    assert archive["proof"] == {
        "method": "full_object",
        "algorithm": "crc64nvme",
        "value": archive["checksum"].removeprefix("crc64nvme:"),
        "verified_by": "store",
    }
    assert (archive.pop("checksum").partition(":")[0], archive.pop("proof") is None) == ("crc64nvme", False)
    assert archive.pop("version_id") in (None, "null")
    assert archive == {
        "bucket": service.bucket,
        "key": "recordings/2023/07/21/64ba8ab043e599002b5bdbca/64ba8acdea1de683a37139fe.mp4",
        "file_version": 1,
        "incomplete": None,
        "verified_at": None,
        "fixity": None,
        "size_bytes": source["size_bytes"],
        "sha256": source["sha256"],
        "content_type": "video/mp4",
    }
    assert item.pop("first_seen")["via"] == "webhook"
    assert item == {
        "id": "64ba8acdea1de683a37139fe",
        "meeting": {
            "id": "64ba8ab043e599002b5bdbca",
            "name": "My meeting",
            "start_date": "2023-07-21T13:40:01Z",
            "end_date": "2023-07-21T14:40:01Z",
            "attendees": made["payload"]["meeting"]["attendees"],
        },
        "host": {
            "id": 6892473,
            "name": "Sam Fisher",
            "login": "resourceful-norris-75",
            "email": "example-sam@email.com",
        },
        "participant_ids": [6892473, 6892477],
        "participants_count": 2,
        "file_uid": "5dfdffd3-1ffc-41f5-8d3c-6425df91c4b5_64ba8ab043e599002b5bdbca",
        "duration_s": 8.862,
        "vendor_size": 0.01,  # the listing decides, and the platform has made a small file of it
        "created_at": "2023-07-21T13:40:29Z",
        "updated_at": "2023-07-21T13:40:29Z",
        "state": "archived",
        "attempts": 1,
        "next_attempt_at": None,
        "error": None,
        "transfer": None,
        "hold": False,
        "expires_at": None,
        "url_origin": "api",
    }
    async with service.client() as client:
        redirect = await client.get(f"/api/recordings/{item['id']}/download")
        assert redirect.status_code == 307
    async with httpx.AsyncClient() as anyone:
        downloaded = await anyone.get(redirect.headers["location"])
    assert hashlib.sha256(downloaded.content).hexdigest() == source["sha256"]
    assert downloaded.headers["content-type"] == "video/mp4"
    await check_invariants(service, archived=sources(made))


async def test_the_same_body_again_answers_200_with_the_first_id(sandbox: Sandbox, service: Service) -> None:
    made = await example_meeting(sandbox)
    body = json.dumps(made["payload"]).encode()
    await service.start()
    first = await service.post(body)
    await service.until_archived(2)
    again = await service.post(body)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["delivery_id"] == first.json()["delivery_id"]
    assert {r["state"] for r in again.json()["recordings"]} == {"archived"}


async def test_forty_concurrent_duplicates_permutations_and_supersets(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, *[MP4] * 4)
    payload, records = made["payload"], made["payload"]["callRecords"]
    subsets = [s for n in (1, 2, 3, 4) for s in itertools.permutations(records, n)]
    picked = random.Random(1).sample(subsets, 20)  # noqa: S311  (any fixed choice will do)
    bodies = [json.dumps({**payload, "callRecords": list(s)}).encode() for s in [*picked, *picked[:20]]]
    bodies += [json.dumps(payload).encode()]
    await service.start()
    answers = await asyncio.gather(*(service.post(body) for body in bodies))
    assert {a.status_code for a in answers} <= {200, 202}
    assert sum(a.status_code == 202 for a in answers) == len(set(bodies))
    await service.until_archived(4)
    await check_invariants(service, archived=sources(made))
    for record in made["recordings"]:
        source = await control(sandbox, "GET", f"/recordings/{record['_id']}")
        assert (source["gets"], source["bytes_sent"]) == (1, record["size_bytes"]), "each source file is read once"
    listings = [r for r in await control(sandbox, "GET", "/requests") if "/admin/" in r["path"]]
    assert len(listings) == 1, "a meeting's recordings are listed once for all its waiting jobs"


async def test_a_meeting_that_ends_at_the_platform_is_archived_by_its_webhook(
    sandbox: Sandbox, service: Service
) -> None:
    await service.start()
    sandbox.set_webhook_url(service.webhook_url)
    made = await make_meeting(sandbox, MP4, send_webhook=True)
    await service.until_archived(1)
    await check_invariants(service, archived=sources(made))


@pytest.mark.usefixtures("_traced")
async def test_sigterm_drains_and_exits_0(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": 30_000_000})
    await control(sandbox, "POST", "/faults", {"on": "storage", "kind": "slow", "bytes_per_s": 15_000_000})
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    await service.until(lambda items: items[0]["state"] == "archiving")
    assert await service.stop() == 0
    await check_invariants(service, archived=sources(made))


@pytest.mark.usefixtures("_traced")
async def test_sigterm_with_no_grace_hands_the_recording_back(sandbox: Sandbox, service: Service) -> None:
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": 30_000_000})
    await control(sandbox, "POST", "/faults", {"on": "storage", "kind": "slow", "bytes_per_s": 1_000_000, "times": 1})
    service.settings["SHUTDOWN_GRACE_S"] = "0"
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    await service.until(lambda items: items[0]["state"] == "archiving")
    assert await service.stop() == 0
    await check_invariants(service, archived={})
    await control(sandbox, "DELETE", "/faults")
    await service.start()
    (item,) = await service.until_archived(1)
    assert item["attempts"] == 1
    await check_invariants(service, archived=sources(made))


@ON_SQLITE  # the store holds it up, not the database
async def test_a_small_file_that_the_store_does_not_take_holds_no_exit_up(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    service.settings["SHUTDOWN_GRACE_S"] = "0"
    store_proxy.rules.append(Rule("PUT .*", stall_after=1024))
    await posted(sandbox, service, {"kind": "generated", "size_bytes": 1_500_000})
    await service.until(lambda _: store_proxy.begun)
    async with asyncio.timeout(10):
        assert await service.stop() == 0
    await check_invariants(service, archived={})
