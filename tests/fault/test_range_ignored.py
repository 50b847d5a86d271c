"""A host that serves no ranges any more, or another file, when a cut download goes on: the next run starts anew."""

from __future__ import annotations

import json

from receiver.sandbox import Sandbox
from tests.support.cases import FILE
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault


@ON_SQLITE  # what is read twice, and how, is no database's
async def test_nothing_is_stitched_together(sandbox: Sandbox, service: Service) -> None:
    service.settings["PART_SIZE_MB"] = "5"
    made = await make_meeting(sandbox, FILE, FILE)
    codes = {"no_range": "source_truncated", "etag_changes": "source_changed"}
    for recording, kind in zip(made["recordings"], codes, strict=True):
        await set_fault(
            sandbox, on="storage", kind="reset", after_bytes=7_000_000, times=1, match=recording["file_uid"]
        )
        await set_fault(sandbox, on="storage", kind=kind, times=1, match=recording["file_uid"])
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = await service.until_archived(2)
    assert [item["attempts"] for item in items] == [2, 2]
    log = service.log_path.read_text()
    assert all(f'"code": "{code}"' in log for code in codes.values())
    now = [await control(sandbox, "GET", f"/recordings/{r['_id']}") for r in made["recordings"]]
    assert [one["sha256"] == old["sha256"] for one, old in zip(now, made["recordings"], strict=True)] == [True, False]
    await check_invariants(service, archived={one["_id"]: one["sha256"] for one in now})
