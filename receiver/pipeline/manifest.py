"""The manifest beside each object: what the bucket needs to explain itself (P7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from receiver.errors import KeyTakenError, ManifestConflictError, StoreChecksumError

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.objectstore import Bucket
    from receiver.records import ObjectHead, Recording, StoredFile

MANIFEST_VERSION = 1
_MOST_BYTES = 4 * 1024 * 1024
"""No manifest is as large: 10,000 participants and a name of 8,192 characters are a quarter of a megabyte."""


def manifest_key(key: str) -> str:
    """Return where the manifest of the object at `key` lies."""
    return f"{key}.json"


def write_manifest(recording: Recording, stored: StoredFile, *, archived_at: datetime) -> bytes:
    """Return the manifest as JSON: enough to rebuild the recording's row from the bucket alone."""
    meeting, host, vendor = recording.meeting, recording.host, recording.vendor
    document: dict[str, Any] = {
        "manifest_version": MANIFEST_VERSION,
        "recording": {
            "id": recording.id,
            "file_uid": vendor.file_uid,
            "participant_ids": vendor.participant_ids,
            "participants_count": vendor.participants_count,
            "duration_s": vendor.duration_s,
            "vendor_size": vendor.vendor_size,
            "created_at": _iso(vendor.created_at),
            "updated_at": _iso(vendor.updated_at),
        },
        "meeting": {
            "id": meeting.id,
            "name": meeting.name,
            "start_date": _iso(meeting.start_date),
            "end_date": _iso(meeting.end_date),
        },
        "host": {"id": host.id, "name": host.name, "login": host.login, "email": host.email},
        "object": {
            "key": stored.key,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "checksum": stored.checksum,
            "content_type": stored.content_type,
            "incomplete": stored.incomplete,
        },
        "proof": _proof(stored, archived_at=archived_at),
        "first_seen": {"via": recording.first_seen_via, "at": _iso(recording.first_seen_at)},
        "url_origin": recording.url_origin,
        "archived_at": _iso(archived_at),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


async def store_manifest(bucket: Bucket, recording: Recording, stored: StoredFile, *, archived_at: datetime) -> None:
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


async def _holds(bucket: Bucket, head: ObjectHead, body: bytes) -> bool:
    return head.proof is not None or b"".join([chunk async for chunk in bucket.read(head.key)]) == body


async def _owner(bucket: Bucket, key: str) -> object:
    """Return the id of the recording that a stored manifest names, or what stands in its place."""
    head = await bucket.head(key)
    if head is not None and head.size_bytes > _MOST_BYTES:
        return None
    try:
        return json.loads(b"".join([chunk async for chunk in bucket.read(key)]))["recording"]["id"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None


def _proof(stored: StoredFile, *, archived_at: datetime) -> dict[str, Any] | None:
    proof = stored.proof
    if proof is None:
        return None
    return {
        "method": proof.method,
        "algorithm": proof.algorithm,
        "value": proof.value,
        "verified_by": proof.verified_by,
        "at": _iso(proof.at or archived_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
