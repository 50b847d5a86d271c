"""A download URL that is expired at the start, or dies on the way, twice: a fresh one, and few bytes more."""

from __future__ import annotations

import json

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault

SIZE_BYTES = 40_000_000


@ON_SQLITE  # one claim and one copy: what is asked of the database is the same as in any other
async def test_a_url_that_expires_costs_few_bytes_more(sandbox: Sandbox, service: Service) -> None:
    service.settings["PART_SIZE_MB"] = "5"
    made = await make_meeting(sandbox, *[{"kind": "generated", "size_bytes": SIZE_BYTES}] * 2)
    at_start, on_the_way = made["recordings"]
    await set_fault(sandbox, on="storage", kind="status", status=403, times=1, match=at_start["file_uid"])
    await set_fault(
        sandbox,
        on="storage",
        kind="expire_after_bytes",
        after_bytes=14_000_000,
        times=2,
        match=on_the_way["file_uid"],
    )
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = await service.until_archived(2)
    assert [item["attempts"] for item in items] == [1, 1]
    sources = [await control(sandbox, "GET", f"/recordings/{r['_id']}") for r in (at_start, on_the_way)]
    assert sources[0]["bytes_sent"] == SIZE_BYTES
    assert sources[1]["bytes_sent"] <= 1.3 * SIZE_BYTES
    assert sources[1]["gets"] >= 3
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})
