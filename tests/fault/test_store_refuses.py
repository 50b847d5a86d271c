"""A bucket that refuses everybody (wrong keys, missing): the queue pauses, says so, and burns no attempt."""

from __future__ import annotations

import json

import pytest

from receiver.sandbox import Sandbox
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting
from tests.support.store_proxy import Rule, StoreProxy, s3_error

FILES = 16


@pytest.mark.parametrize(
    ("answer", "code", "database_url"),
    [
        (s3_error(403, "AccessDenied"), "store_denied", "sqlite"),
        (s3_error(403, "AccessDenied"), "store_denied", "postgresql"),
        (s3_error(404, "NoSuchBucket"), "bucket_missing", "sqlite"),  # what follows is the same
    ],
    indirect=["database_url"],
    ids=["403-sqlite", "403-postgresql", "404-sqlite"],
)
async def test_the_queue_pauses_and_goes_on(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy, answer: bytes, code: str
) -> None:
    store_proxy.rules.append(Rule(".*", times=1_000_000, answer=answer))
    made = await make_meeting(sandbox, *[{"kind": "mp4"}] * FILES)
    service.settings["CONCURRENCY"] = "4"
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = await service.until(lambda items: sum(item["error"] is not None for item in items) >= 4)
    assert {item["error"]["code"] for item in items if item["error"]} == {code}
    assert all(item["attempts"] <= 1 for item in items), "a run that was refused is not counted"
    async with service.client() as client:
        assert "receiver_queue_paused 1.0" in (await client.get("/metrics")).text
    assert '"queue_paused"' in service.log_path.read_text()
    gets = [(await control(sandbox, "GET", f"/recordings/{r['_id']}"))["gets"] for r in made["recordings"]]
    assert sum(gets) <= 8, "recordings that wait ask nobody for their files"

    store_proxy.rules.clear()
    items = await service.until_archived(FILES)
    assert all(item["attempts"] == 1 for item in items)
    async with service.client() as client:
        assert "receiver_queue_paused 0.0" in (await client.get("/metrics")).text
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})
