"""Manifests in the bucket: each beside its object, stored once it is proven and replaced only by its own recording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from receiver.errors import (
    KeyTakenError,
    ManifestConflictError,
    ManifestUnreadableError,
    StoreChecksumError,
    StoreRefusedError,
)
from receiver.manifests import MOST_BYTES, manifest_key, write_manifest

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.objectstore.bucket import Bucket
    from receiver.objectstore.objects import Objects
    from receiver.records import ObjectHead, Recording, StoredFile


async def store_manifest(bucket: Objects, recording: Recording, stored: StoredFile, *, archived_at: datetime) -> None:
    """Store the manifest beside the object, in place of an earlier one of the same recording.

    What names another recording, or none, stays and is a `ManifestConflictError`. Where the store does not verify what
    it takes, it is read again; one that came spoiled is replaced once, then removed, for a later run to write. Safe to
    repeat.
    """
    key = manifest_key(stored.key)
    body = write_manifest(recording, stored, archived_at=archived_at)
    try:
        head = await bucket.put(key, body, content_type="application/json")
    except KeyTakenError as e:
        owner = await _owner(bucket, key)
        if owner != recording.id:
            named = f"names recording {owner[:64]}" if isinstance(owner, str) else "is no manifest"
            raise ManifestConflictError(f"what lies under {key} {named}, and was left alone") from e
        head = await bucket.replace(key, body, content_type="application/json")
    if not await _holds(bucket, head, body):
        head = await bucket.replace(key, body, content_type="application/json")
        if not await _holds(bucket, head, body):
            await bucket.discard(head)
            raise StoreChecksumError(f"{key}, read back, does not hold the bytes that were sent")


async def mend_manifest(bucket: Objects, recording: Recording, stored: StoredFile, *, archived_at: datetime) -> None:
    """Store the manifest of an object that was just found intact, also in place of what is no manifest at all.

    What names another recording stays, and is a `ManifestConflictError`. Safe to repeat.
    """
    key = manifest_key(stored.key)
    if await bucket.head(key) is None or isinstance(await _owner(bucket, key), str):
        await store_manifest(bucket, recording, stored, archived_at=archived_at)
        return
    body = write_manifest(recording, stored, archived_at=archived_at)
    head = await bucket.replace(key, body, content_type="application/json")
    if not await _holds(bucket, head, body):
        raise StoreChecksumError(f"{key}, read back, does not hold the bytes that were sent")


async def rewrite_manifest(bucket: Bucket, recording: Recording, stored: StoredFile, *, archived_at: datetime) -> None:
    """Store the manifest anew and delete every version of it before this one: they name who is to be forgotten.

    Safe to repeat.
    """
    await store_manifest(bucket, recording, stored, archived_at=archived_at)
    key = manifest_key(stored.key)
    versions = [file for file in await bucket.files_under(key) if file.key == key]
    newest = await bucket.head(key)
    for file in versions:
        if newest is not None and file.version_id not in {newest.version_id, None, "null"}:
            await bucket.delete_version(file)
            if await bucket.head(key, version_id=file.version_id) is not None:
                raise StoreRefusedError(f"DeleteObject {key}: the store confirmed it, and still has an older version")


async def fetch_manifest(bucket: Objects, key: str) -> bytes:
    """Return the bytes of a manifest; raises `ObjectGoneError`, or `ManifestUnreadableError` for what is too large."""
    body = bytearray()
    async for chunk in bucket.read(key):
        body += chunk
        if len(body) > MOST_BYTES:
            raise ManifestUnreadableError(f"it is larger than {MOST_BYTES} bytes")
    return bytes(body)


async def _holds(bucket: Objects, head: ObjectHead, body: bytes) -> bool:
    return head.proof is not None or b"".join([chunk async for chunk in bucket.read(head.key)]) == body


async def _owner(bucket: Objects, key: str) -> object:
    """Return the id of the recording that a stored manifest names, or what stands in its place."""
    try:
        return json.loads(await fetch_manifest(bucket, key))["recording"]["id"]
    except (ManifestUnreadableError, ValueError, RecursionError, LookupError, TypeError):
        return None
