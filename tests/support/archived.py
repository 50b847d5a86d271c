"""Archived recordings made without a platform: objects with manifests in a bucket, rows in a database."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from awscrt.checksums import crc64nvme

from receiver.catalogue import Catalogue
from receiver.catalogue.indexing import index_left
from receiver.checksums import written
from receiver.objectstore import store_manifest
from receiver.records import RecordingId, State
from receiver.tables import attendees, participants, recordings
from tests.support.clock import NOW

if TYPE_CHECKING:
    from receiver.objectstore import Bucket
    from receiver.records import Recording
    from receiver.tables import Database


def body_of(number: int, size_bytes: int) -> bytes:
    """Return bytes that only this object has, wherever one looks."""
    block = hashlib.sha512(f"object {number}".encode()).digest()
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


def row_of(number: int, bucket_name: str, body: bytes) -> dict[str, Any]:
    """Return the columns of an archived recording's row; names are not all ASCII, and some facts are lacking."""
    at = NOW + timedelta(seconds=number, microseconds=number)
    checksum = written(crc64nvme(body))
    return {
        "id": f"r{number:05}",
        "meeting_id": f"m{number // 2}",
        "meeting_name": f"Wöchentlich {number}",
        "meeting_start_at": at - timedelta(hours=1),
        "meeting_end_at": at if number % 3 else None,
        "host_id": 2**53 + number,
        "host_name": "Zoë",
        "host_login": None if number % 2 else "zoe",
        "host_email": "zoe@example.com",
        "participants_count": 2,
        "file_uid": f"f-{number}" if number % 5 else None,
        "duration_s": 61.5 + number,
        "vendor_size": float(number),
        "created_at": at,
        "updated_at": at,
        "state": State.ARCHIVED,
        "attempts": 1,
        "url_origin": "api",
        "object_bucket": bucket_name,
        "object_key": f"recordings/{number % 7}/r{number:05}.mp4",
        "object_version_id": None,
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "checksum": checksum,
        "content_type": "video/mp4",
        "proof_rung": "crc64nvme",
        "proof_value": checksum.removeprefix("crc64nvme:"),
        "proof_at": at,
        "archived_at": at,
        "first_seen_via": "webhook",
        "first_seen_at": at,
    }


async def archive(bucket: Bucket, database: Database, numbers: range, size_bytes: int) -> list[Recording]:
    """Store objects and manifests, add their rows, and return them as recordings."""
    rows = {number: row_of(number, bucket.name, body_of(number, size_bytes)) for number in numbers}
    taking_part = [
        {"recording_id": row["id"], "position": position, "user_id": number + position}
        for number, row in rows.items()
        for position in (0, 1)
    ]

    invited = [
        {"recording_id": row["id"], "position": 0, "user_id": number, "email": f"guest{number}@example.com"}
        for number, row in rows.items()
    ]

    def add(tx: sa.Connection) -> None:
        tx.execute(sa.insert(recordings), [row | {"search_text": ""} for row in rows.values()])
        tx.execute(sa.insert(participants), taking_part)
        tx.execute(sa.insert(attendees), invited)
        index_left(tx, len(rows))

    room = asyncio.Semaphore(8)

    async def store(number: int) -> Recording:
        async with room:
            key = rows[number]["object_key"]
            head = await bucket.put(key, body_of(number, size_bytes), content_type="video/mp4")
            if head.version_id is not None:
                version = sa.update(recordings).where(recordings.c.id == rows[number]["id"])
                await database.write(lambda tx: tx.execute(version.values(object_version_id=head.version_id)))
            recording = await Catalogue(database).recording(RecordingId(rows[number]["id"]))
            assert recording.archive is not None
            assert recording.archived_at is not None
            await store_manifest(bucket, recording, recording.archive, archived_at=recording.archived_at)
            return recording

    await database.write(add)
    return list(await asyncio.gather(*map(store, numbers)))
