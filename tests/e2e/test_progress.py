"""A running transfer as operators see it: bytes grow part by part, then the file is archived."""

from __future__ import annotations

import json

from receiver.catalogue import Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import OpenUpload, RecordingId, UnfinishedUpload, UploadedPart, UrlOrigin
from receiver.tables import open_database, upgrade
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.service import make_meeting, set_fault

SIZE_BYTES = 26_000_000
SOURCE_BYTES_S = 8_000_000


async def test_the_api_shows_bytes_grow_and_nothing_once_archived(sandbox, service):
    service.settings |= {"PART_SIZE_MB": "5"}
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=SOURCE_BYTES_S)
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": SIZE_BYTES})
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    seen = []

    def archived(items):
        seen.append(items[0]["transfer"])
        return items[0]["state"] == "archived"

    (item,) = await service.until(archived)
    assert item["transfer"] is None
    running = [transfer for transfer in seen if transfer is not None]
    done = [transfer["bytes_done"] for transfer in running]
    assert done == sorted(done)
    assert len(set(done)) >= 3, done
    assert {transfer["size_bytes"] for transfer in running} == {SIZE_BYTES}
    for transfer in running:
        if transfer["bytes_done"] == 0:
            assert (transfer["rate_bytes_s"], transfer["eta_s"]) == (None, None)
        else:
            left_s = (SIZE_BYTES - transfer["bytes_done"]) / transfer["rate_bytes_s"]
            assert abs(transfer["eta_s"] - left_s) < 0.001
    # a busy machine may be slower than the source; faster is only what the sockets held before the run began to send
    assert 0 < running[-1]["rate_bytes_s"] < 2 * SOURCE_BYTES_S


async def test_the_commands_show_it_for_people_and_as_json(service):
    database = open_database(service.database_url)
    await upgrade(database)
    await accept(Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True), payload("a"), now=NOW)
    runs = Runs(database)
    claim = await runs.claim(RecordingId("a"), now=NOW)
    upload = OpenUpload(key="k.mp4", upload_id="u")
    unfinished = UnfinishedUpload(upload=upload, part_size_bytes=1, source_etag=None, source_size_bytes=1_200_000_000)
    await runs.note_upload(claim, "k.mp4", unfinished, UrlOrigin.API)
    part = UploadedPart(number=1, etag="e", size_bytes=504_000_000, checksum="c")
    await runs.note_parts(claim, [part], elapsed_s=28)
    await database.close()

    shown = "42 % of 1.2 GB, 18.0 MB/s, 0:39 left"
    assert shown in await receiver(service, "list")
    lines = (await receiver(service, "show", "a")).splitlines()
    assert ["transfer", shown] in [line.split(maxsplit=1) for line in lines]
    expected = {
        "bytes_done": 504_000_000,
        "size_bytes": 1_200_000_000,
        "rate_bytes_s": 18e6,
        "eta_s": 696 / 18,
        "read_back_bytes": None,
    }
    assert json.loads(await receiver(service, "show", "a", "--json"))["transfer"] == expected
    (listed,) = json.loads(await receiver(service, "list", "--json"))["items"]
    assert listed["transfer"] == expected


async def receiver(service, *arguments):
    exit_code, stdout, _ = await service.ran("recordings", *arguments)
    assert exit_code == 0
    return stdout.decode()
