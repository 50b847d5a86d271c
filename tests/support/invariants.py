"""The check that every fault test ends with: what must hold of database and bucket, whatever happened before."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.records import versions_of
from receiver.tables import deliveries, open_database, recordings
from tests.support.leaks import found, places_of, secrets_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.service import Service

DEAD = {"failed", "missing"}
WAITING = {"pending", "waiting"}
LOG_HEAD = "recordings/.receiver-audit-log/head.json"
"""What a service that ran for a while has left of its log."""


async def check_invariants(
    service: Service, *, archived: Mapping[str, str], kept: Mapping[str, str] | None = None
) -> None:
    """Assert I1 to I8 over the stopped or running service; `archived` maps recording ids to their sources' SHA-256.

    `kept` maps each key that held another file before its recording was archived to that file's. The caller's
    environment must name the bucket's credentials (the `aws_env` fixture).
    """
    stored, rows, leased = await _index(service)
    assert stored >= service.acknowledged, "I1: what was acknowledged is stored"
    done = [row for row in rows if row.state == "archived"]
    assert len({row.id for row in rows}) == len(rows), "I2: one row a recording"
    assert {row.id: row.sha256 for row in done} == archived
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        assert await bucket.open_uploads("") == [], "I7: an upload is open"
        await _check_objects(bucket, rows, kept or {})
        for row in done:
            await _check_archived(bucket, row)
    for row in rows:
        _check_state(row, leased)
    secrets = await secrets_of(service)
    assert secrets
    for name, place in (await places_of(service)).items():
        assert found(place, secrets) == [], f"I8: a secret in {name}"


async def _index(service: Service) -> tuple[set[str], list[sa.Row[Any]], set[str]]:
    """Return the digests of the stored bodies, the recordings, and the ids that a living worker holds."""
    database = open_database(service.database_url)

    def read(tx: sa.Connection) -> tuple[set[str], list[sa.Row[Any]], set[str]]:
        bodies = set(tx.execute(sa.select(deliveries.c.body_sha256)).scalars())
        rows = list(tx.execute(sa.select(recordings)).all())
        if database.is_sqlite:
            return bodies, rows, {row.id for row in rows} if service.is_running else set()
        picked = sa.text("SELECT dedupe_key FROM pgqueuer WHERE status = 'picked'")
        return bodies, rows, set(tx.execute(picked).scalars())

    try:
        return await database.read(read)
    finally:
        await database.close()


async def _check_objects(bucket: Bucket, rows: list[sa.Row[Any]], kept: Mapping[str, str]) -> None:
    """Assert I2 and I4: one object and one manifest an archived recording, beside it the files it had before."""
    objects = {key async for key in bucket.keys("") if key != LOG_HEAD}
    done = [row.object_key for row in rows if row.state == "archived"]
    expected = {name for key in done for name in (key, f"{key}.json")} | set(kept)
    unrecorded = {row.object_key for row in rows if row.state != "archived" and row.checksum is not None}
    assert expected <= objects, "an object or a manifest is gone"
    assert objects <= expected | unrecorded, "an object that no row knows"
    for key, sha256 in kept.items():
        assert await _sha256(bucket, key) == sha256, f"{key} was overwritten"
        before = {name for key in done for name in _before(key)}
        assert key.removesuffix(".json") in before, "an earlier file lies beside the one that the row names"


def _before(key: str) -> list[str]:
    """Return the keys of the files that a recording had before the one at `key`."""
    stem, _, number = key.rpartition(".")[0].rpartition(".v")
    first = f"{stem}.{key.rpartition('.')[2]}" if number.isdecimal() else key
    return list(itertools.takewhile(lambda version: version != key, versions_of(first)))


async def _check_archived(bucket: Bucket, row: sa.Row[Any]) -> None:
    """Assert I3, and that the manifest says the same."""
    head = await bucket.head(row.object_key)
    assert head is not None
    assert (head.size_bytes, head.checksum, head.content_type) == (row.size_bytes, row.checksum, row.content_type)
    assert await _sha256(bucket, row.object_key) == row.sha256, "I3"
    manifest = json.loads(b"".join([chunk async for chunk in bucket.read(f"{row.object_key}.json")]))
    assert (manifest["recording"]["id"], manifest["recording"]["file_uid"]) == (row.id, row.file_uid)
    assert (manifest["object"]["sha256"], manifest["object"]["size_bytes"]) == (row.sha256, row.size_bytes)


async def _sha256(bucket: Bucket, key: str) -> str:
    digest = hashlib.sha256()
    async for chunk in bucket.read(key):
        digest.update(chunk)
    return digest.hexdigest()


def _check_state(row: sa.Row[Any], leased: set[str]) -> None:
    if row.state in WAITING:
        assert row.next_attempt_at is not None, f"I5: nobody will come back to {row.id}"
    if row.state == "archiving":
        assert row.id in leased, f"I5: nobody works on {row.id}"
    if row.state in DEAD:
        assert row.error_code, f"I6: {row.id} has no code"
        assert row.error_message, f"I6: {row.id} has no message"
    if row.state == "archived":
        assert (row.error_code, row.payload_url) == (None, None)
