"""The store refuses a conditional write: 412 with nothing there, 409, and 412 with another's bytes under the key."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256

from receiver.objectstore import Bucket
from receiver.sandbox import Sandbox
from tests.support.cases import FILE, archived_despite
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.service import Service, control, make_meeting, set_fault
from tests.support.store_proxy import Rule, StoreProxy, s3_error

OTHERS = b"another's bytes"


@ON_SQLITE  # what goes to the store is no database's
async def test_a_write_that_was_refused_starts_anew(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    taken, raced = s3_error(412, "PreconditionFailed"), s3_error(409, "ConditionalRequestConflict")
    cases = [  # the run that the store failed does not count
        (FILE, lambda i: Rule(f"POST .*{i}.*uploadId=", answer=taken), 1),
        (FILE, lambda i: Rule(f"POST .*{i}.*uploadId=", answer=raced), 1),
        ({"kind": "mp4"}, lambda i: Rule(rf"PUT .*{i}\.mp4", answer=taken), 1),
        ({"kind": "mp4"}, lambda i: Rule(rf"PUT .*{i}\.mp4", answer=raced), 1),
    ]
    sent = await archived_despite(sandbox, service, store_proxy, cases)
    assert [(await control(sandbox, "GET", f"/recordings/{i}"))["gets"] for i in sent] == [2, 2, 2, 2]


@ON_SQLITE  # what goes to the store is no database's
async def test_bytes_that_come_under_the_key_meanwhile_are_left_alone(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy, bucket: Bucket
) -> None:
    service.settings |= {"PART_SIZE_MB": "5", "KEY_TEMPLATE": "recordings/{recording_id}"}
    made = await make_meeting(sandbox, FILE)
    (source,) = made["recordings"]
    key = f"recordings/{source['_id']}.mp4"
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=8_000_000, times=1)
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    async with asyncio.timeout(30):
        while not any("partNumber=1" in line for line in store_proxy.lines):
            await asyncio.sleep(0.01)
    await bucket.put(key, OTHERS, content_type="video/mp4")
    (item,) = await service.until_archived(1)
    assert (item["attempts"], item["archive"]["file_version"]) == (2, 2)
    assert '"code": "object_conflict"' in service.log_path.read_text()
    kept = {key: sha256(OTHERS).hexdigest()}
    await check_invariants(service, archived={source["_id"]: source["sha256"]}, kept=kept)
