"""Several recordings at once, each with a trouble of its own: a start of the service is the dearest part of a test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.sandbox import Sandbox
    from tests.support.store_proxy import Rule, StoreProxy

FILE = {"kind": "generated", "size_bytes": 12_000_000}
"""Three parts of 5 MiB at most."""


async def posted(sandbox: Sandbox, service: Service, *files: dict[str, Any]) -> dict[str, Any]:
    """Start the service and post a meeting with these files; return what the platform says of it."""
    made = await make_meeting(sandbox, *files)
    await service.start()
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return made


async def healed_after(
    sandbox: Sandbox, service: Service, faults: list[dict[str, Any]], codes: list[str], size_bytes: int = 6_000_000
) -> None:
    """Assert that each fault of the storage ends a recording with its code, and that without it all are archived."""
    service.settings["MAX_ATTEMPTS"] = "2"
    made = await make_meeting(sandbox, *[{"kind": "generated", "size_bytes": size_bytes}] * len(faults))
    for recording, fault in zip(made["recordings"], faults, strict=True):
        await set_fault(sandbox, on="storage", match=recording["file_uid"], **fault)
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = await service.until(lambda items: all(item["state"] == "failed" for item in items))
    found = {item["id"]: (item["error"]["code"], item["attempts"], item["archive"]) for item in items}
    assert [found[r["_id"]] for r in made["recordings"]] == [(code, 2, None) for code in codes]
    await check_invariants(service, archived={})

    await control(sandbox, "DELETE", "/faults")
    async with service.client() as client:
        for item in items:
            retried = await client.post(f"/api/recordings/{item['id']}/retry")
            assert (retried.status_code, retried.json()["state"]) == (200, "pending")
    items = await service.until_archived(len(faults))
    assert [(item["error"], item["attempts"]) for item in items] == [(None, 1)] * len(faults)
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})


async def archived_despite(
    sandbox: Sandbox,
    service: Service,
    proxy: StoreProxy,
    cases: list[tuple[dict[str, Any], Callable[[str], Rule], int]],
) -> dict[str, list[str]]:
    """Assert that every recording is archived whatever its rule does to the way to the store.

    A case is a file, a rule made for the recording's id, and the attempts it uses up. Return each case's
    request lines.
    """
    service.settings |= {"PART_SIZE_MB": "5"}
    made = await make_meeting(sandbox, *(file for file, _, _ in cases))
    ids = [recording["_id"] for recording in made["recordings"]]
    proxy.rules += [rule(recording_id) for recording_id, (_, rule, _) in zip(ids, cases, strict=True)]
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = {item["id"]: item for item in await service.until_archived(len(ids))}
    assert [items[i]["attempts"] for i in ids] == [attempts for _, _, attempts in cases]
    await check_invariants(service, archived={r["_id"]: r["sha256"] for r in made["recordings"]})
    return {i: [line for line in proxy.lines if i in line] for i in ids}
