"""Files that are not whole recordings: never archived, each named by its own code; healed and retried, archived."""

from __future__ import annotations

import json

import pytest

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault

SIZE_BYTES = 6_000_000


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "truncate", "after_bytes": 1_000_000}, "source_truncated"),
        ({"kind": "truncate_no_length", "after_bytes": 1_000_000}, "source_truncated"),  # Content-Range told the length
        ({"kind": "empty"}, "source_empty"),
        ({"kind": "html"}, "source_not_media"),
        ({"kind": "json"}, "source_not_media"),
        ({"kind": "length_lies"}, "source_length_mismatch"),
        ({"kind": "status", "status": 500}, "source_unavailable"),
        ({"kind": "status", "status": 404}, "source_not_found"),
        ({"kind": "status", "status": 403}, "source_denied"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
async def test_a_bad_file_is_never_archived_and_a_healed_one_is(
    sandbox: Sandbox, service: Service, fault: dict, code: str
) -> None:
    service.settings["MAX_ATTEMPTS"] = "2"
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": SIZE_BYTES})
    await set_fault(sandbox, on="storage", **fault)
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until(lambda items: items[0]["state"] == "failed")
    assert (item["error"]["code"], item["attempts"], item["archive"]) == (code, 2, None)
    assert "Signature" not in item["error"]["message"]
    await check_invariants(service, archived={})

    await control(sandbox, "DELETE", "/faults")
    async with service.client() as client:
        retried = await client.post(f"/api/recordings/{item['id']}/retry")
    assert (retried.status_code, retried.json()["state"]) == (200, "pending")
    (item,) = await service.until_archived(1)
    assert (item["error"], item["attempts"]) == (None, 1)
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})


@ON_SQLITE  # one claim and one copy: what is asked of the database is the same as in the copies above
async def test_a_url_that_expires_twice_on_the_way_costs_few_bytes_more(sandbox: Sandbox, service: Service) -> None:
    size_bytes = 200_000_000
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": size_bytes})
    await set_fault(sandbox, on="storage", kind="expire_after_bytes", after_bytes=70_000_000, times=2)
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until_archived(1, timeout_s=120)
    assert item["attempts"] == 1
    source = await control(sandbox, "GET", f"/recordings/{item['id']}")
    assert source["bytes_sent"] <= 1.3 * size_bytes
    assert source["gets"] >= 3
    await check_invariants(service, archived={item["id"]: made["recordings"][0]["sha256"]})
