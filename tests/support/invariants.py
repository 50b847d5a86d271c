"""The check that every fault test ends with: what must hold of database and bucket, whatever happened before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.tables import open_database, recordings

if TYPE_CHECKING:
    from tests.support.service import Service


async def check_invariants(service: Service, *, archived: dict[str, str]) -> None:
    """Assert I2 to I7 over the stopped or running service; `archived` maps recording ids to their sources' SHA-256.

    The caller's environment must name the bucket's credentials (the `aws_env` fixture).
    """
    rows = await _rows(service)
    config = BucketConfig(bucket=service.bucket, endpoint_url=service.seaweed.endpoint_url, region="us-east-1")
    async with open_bucket(config) as bucket:
        objects = {key async for key in bucket.keys("")}
        assert await bucket.open_uploads("") == [], "I7: an upload is open"
        done = {row.id: row for row in rows if row.state == "archived"}
        assert {row_id: row.sha256 for row_id, row in done.items()} == archived
        expected = {key for row in done.values() for key in (row.object_key, f"{row.object_key}.json")}
        assert objects == expected, "I2, I4: one object and one manifest an archived recording, and nothing else"
        for row in done.values():
            await _check_object(bucket, row)
    for row in rows:
        assert row.state in ("archived", "cancelled") or row.next_attempt_at or row.error_code, f"I5, I6: {row.id}"
        assert (row.error_code is None) == (row.error_message is None)


async def _rows(service: Service) -> list[sa.Row[Any]]:
    database = open_database(service.database_url)
    try:
        return await database.read(lambda tx: list(tx.execute(sa.select(recordings)).all()))
    finally:
        await database.close()


async def _check_object(bucket: Bucket, row: sa.Row[Any]) -> None:
    """Assert I3, and that the manifest says the same."""
    head = await bucket.head(row.object_key)
    assert head is not None
    assert (head.size_bytes, head.checksum, head.content_type) == (row.size_bytes, row.checksum, row.content_type)
    digest = hashlib.sha256()
    async for chunk in bucket.read(row.object_key):
        digest.update(chunk)
    assert digest.hexdigest() == row.sha256
    manifest = json.loads(b"".join([chunk async for chunk in bucket.read(f"{row.object_key}.json")]))
    assert manifest["recording"]["id"] == row.id
    assert (manifest["object"]["sha256"], manifest["object"]["size_bytes"]) == (row.sha256, row.size_bytes)
