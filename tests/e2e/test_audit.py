"""`receiver audit` and `receiver reindex` beside the service: what is damaged is named, repaired, and told."""

from __future__ import annotations

import hashlib
import json

from receiver.objectstore import BucketConfig, open_bucket
from tests.support.databases import ON_SQLITE
from tests.support.service import control, make_meeting

MIB = 1024 * 1024


async def ran(service, *arguments):
    """Run a command; return its exit code, its JSON and its stderr."""
    code, stdout, stderr = await service.ran(*arguments, "--json")
    return code, json.loads(stdout or b"null"), stderr


async def sha256_of(bucket, archive):
    digest = hashlib.sha256()
    async for chunk in bucket.read(archive["key"], version_id=archive["version_id"]):
        digest.update(chunk)
    return digest.hexdigest()


@ON_SQLITE  # the statements are tested on both databases
async def test_damage_is_named_and_repaired_from_the_platform_while_it_has_the_file(sandbox, service, bucket):
    files = [{"kind": "generated", "size_bytes": size} for size in (9 * MIB, 200_000, 200_000, 200_000)]
    made = await make_meeting(sandbox, *files)
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    items = {item["id"]: item for item in await service.until_archived(4)}
    sources = {one["_id"]: one["sha256"] for one in made["recordings"]}
    over, deleted, changed, whole = (items[one]["archive"] for one in sources)
    over_id, deleted_id, changed_id, _ = sources
    assert await ran(service, "audit") == (0, _tally(checked=4, intact=4, bytes=9 * MIB + 600_000), "")

    await bucket.replace(over["key"], b"x" * over["size_bytes"], content_type="video/mp4")
    await bucket.delete(deleted["key"])
    await bucket.replace(f"{changed['key']}.json", b"[]", content_type="application/json")
    code, tally, stderr = await ran(service, "audit")
    assert (code, tally["damaged"], tally["missing"], tally["intact"]) == (1, 2, 1, 1)
    lines = [line for line in stderr.splitlines() if line.startswith(("damaged: ", "missing: "))]
    assert sorted(line.split(":")[0] for line in lines) == ["damaged", "damaged", "missing"]
    listed = {item["id"]: item["archive"] for item in await service.recordings(fixity="damaged")}
    assert {one["key"] for one in listed.values()} == {over["key"], changed["key"]}

    code, tally, stderr = await ran(service, "audit", "--repair")
    assert (code, tally["damaged"], tally["missing"], tally["repaired"]) == (0, 2, 1, 3), stderr
    assert stderr.count("repaired from the platform") == 2
    assert stderr.count("repaired from the index") == 1
    now = {item["id"]: item["archive"] for item in await service.recordings()}
    assert [now[one]["key"] for one in sources] == [
        over["key"].replace(".mp4", ".v2.mp4"),
        deleted["key"],
        changed["key"],
        whole["key"],
    ]
    assert {one: await sha256_of(bucket, now[one]) for one in now} == sources
    assert await sha256_of(bucket, over) == hashlib.sha256(b"x" * over["size_bytes"]).hexdigest(), "left alone"
    assert {one["fixity"] for one in now.values()} == {"intact"}
    assert await bucket.open_uploads("") == []
    code, found, stderr = await ran(service, "reindex", "--check")
    assert (code, found["manifests"], found["equal"]) == (0, 5, 5), stderr

    _, stdout, _ = await service.ran("audit-log", "--action", "repaired", "--json")
    acts = json.loads(stdout)["items"]
    assert {(one["subject"], one["outcome"]) for one in acts} == {
        (over_id, "from the platform"),
        (deleted_id, "from the platform"),
        (changed_id, "from the index"),
    }

    first, second, *_ = sources
    await bucket.replace(now[second]["key"], b"y", content_type="video/mp4")
    await control(sandbox, "DELETE", f"/recordings/{second}")
    code, tally, stderr = await ran(service, "audit", "--repair", "--recording-id", second, "--recording-id", first)
    assert (code, tally) == (1, _tally(checked=2, intact=1, damaged=1, bytes=9 * MIB + 1))
    assert "nothing has the archived bytes any more: the platform does not have it" in stderr
    assert sources[second] in stderr


@ON_SQLITE  # about the store
async def test_a_lost_version_is_repaired_from_another_with_the_same_bytes(sandbox, service, bucket):
    versioned = {"Status": "Enabled"}
    await bucket._client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration=versioned)
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": 300_000})
    await service.start()
    await service.post(json.dumps(made["payload"]).encode())
    (item,) = await service.until_archived(1)
    archive, source = item["archive"], made["recordings"][0]
    body = b"".join([chunk async for chunk in bucket.read(archive["key"])])
    await bucket.replace(archive["key"], body, content_type="video/mp4")
    where = {"Bucket": bucket.name, "Key": archive["key"]}
    await bucket._client.delete_object(**where, VersionId=archive["version_id"])
    await control(sandbox, "DELETE", f"/recordings/{source['_id']}")
    code, tally, stderr = await ran(service, "audit", "--repair")
    assert (code, tally) == (0, _tally(checked=1, missing=1, repaired=1)), stderr
    assert "repaired from another version" in stderr
    (now,) = await service.recordings()
    assert await sha256_of(bucket, now["archive"]) == source["sha256"]
    async with open_bucket(_config(service)) as opened, service.client() as client:
        answer = await client.get(f"/api/recordings/{item['id']}/download")
        assert f"versionId={now['archive']['version_id']}" in answer.headers["location"]
        await opened.replace(now["archive"]["key"], b"over it", content_type="video/mp4")
    code, stdout, stderr = await service.ran("recordings", "download", item["id"], "-o", "-")
    assert (code, hashlib.sha256(stdout).hexdigest()) == (0, source["sha256"]), stderr


def _config(service):
    seaweed = service.seaweed
    return BucketConfig(bucket=service.bucket, endpoint_url=seaweed.endpoint_url, region=seaweed.region)


def _tally(**counts):
    names = ("checked", "intact", "damaged", "missing", "unreadable", "repaired", "bytes")
    return dict.fromkeys(names, 0) | counts
