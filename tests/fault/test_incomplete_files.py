"""What recorders were seen to leave: whole files of every kind, cut and unplayable ones, and what is no recording."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

from receiver.objectstore import BucketConfig, open_bucket
from tests.support.cases import posted
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.payloads import DATA

if TYPE_CHECKING:
    from receiver.sandbox import Sandbox
    from tests.support.service import Service

WHOLE = {
    "a2-mdat-first-003c.mov.gz": "video/quicktime",
    "d1-rf64.wav": "audio/wav",
    "d2-flac": "audio/flac",
    "d4-id3-adts.aac": "audio/aac",
    "d6-webm-void-before-doctype.webm": "video/webm",
    "d8-mpeg-ps.mpg": "video/mpeg",
    "ok3-zero-mdat-last.mp4": "video/mp4",
    "ok4-two-sessions.webm": "video/webm",
    "ok5-id3v1-tail.mp4": "video/mp4",
}
INCOMPLETE = {"b1-killed-no-moov.mp4": "video/mp4", "b2-cut.wav": "audio/wav", "b4-cut.flv": "video/x-flv"}
REFUSED = ("c1-latin1-error", "c3-zeros", "c4-head-zeroed.mp4")


def recording(name: str) -> dict[str, Any]:
    """Return a recording of these bytes for the platform to hold."""
    body = (DATA / "field" / name).read_bytes()
    body = gzip.decompress(body) if name.endswith(".gz") else body
    return {"kind": "bytes", "body_base64": base64.b64encode(body).decode()}


async def test_every_input_of_the_field_is_what_it_is(sandbox: Sandbox, service: Service, aws_env: None) -> None:
    service.settings["MAX_ATTEMPTS"] = "2"
    names = [*WHOLE, *INCOMPLETE, *REFUSED]
    made = await posted(sandbox, service, *map(recording, names))
    items = await service.until(lambda items: all(item["state"] in {"archived", "failed"} for item in items))
    ids = dict(zip((one["_id"] for one in made["recordings"]), names, strict=True))
    found = {ids[item["id"]]: item for item in items}
    assert {name: found[name]["archive"]["content_type"] for name in (*WHOLE, *INCOMPLETE)} == WHOLE | INCOMPLETE
    assert {name for name in WHOLE if found[name]["archive"]["incomplete"]} == set()
    assert {name for name in INCOMPLETE if not found[name]["archive"]["incomplete"]} == set()
    assert {found[name]["error"]["code"] for name in REFUSED} == {"source_not_media"}

    marked = await service.recordings(incomplete="true")
    assert {ids[item["id"]] for item in marked} == set(INCOMPLETE)
    assert len(await service.recordings(incomplete="false")) == len(names) - len(INCOMPLETE)
    async with service.client() as api:
        assert "receiver_incomplete_files_total 3.0" in (await api.get("/metrics")).text
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        for item in marked:
            manifest = b"".join([chunk async for chunk in bucket.read(item["archive"]["key"] + ".json")])
            assert json.loads(manifest)["object"]["incomplete"] == item["archive"]["incomplete"]
    await check_invariants(
        service,
        archived={one["_id"]: one["sha256"] for one in made["recordings"] if ids[one["_id"]] not in REFUSED},
    )


@ON_SQLITE  # what is asked here does not differ by the database
async def test_a_file_that_is_cut_at_the_platform_is_fetched_twice_and_not_eight_times(
    sandbox: Sandbox, service: Service
) -> None:
    await posted(sandbox, service, recording("b4-cut.flv"))
    (item,) = await service.until_archived(1)
    assert (item["attempts"], item["error"]) == (2, None)
    log = service.log_path.read_text()
    assert log.count('"source_incomplete"') == 1
    assert log.count('"recording_incomplete"') == 1
