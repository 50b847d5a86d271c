"""What stays in the bucket of erased recordings: a small object each, that names no person.

From them an index knows, even an empty one or one out of an old backup, what must not come back.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import KeyTakenError, ManifestUnreadableError
from receiver.objectstore.manifests import fetch_manifest
from receiver.records import MeetingId, RecordingId, Tombstone, is_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from receiver.objectstore.objects import Objects

FOLDER = ".receiver-erased/"
"""Under the root of all keys."""
_SUFFIX = ".json"
_AT_ONCE = 8
_log = logs.get("objectstore")


class Tombstones:
    """`root` is what all keys of the archive begin with."""

    def __init__(self, bucket: Objects, *, root: str) -> None:
        self._bucket = bucket
        self._folder = f"{root}{FOLDER}"

    async def store(self, tombstone: Tombstone) -> None:
        """Store it; one that lies there stays as it is. Safe to repeat."""
        document = {
            "tombstone_version": 1,
            "recording_id": tombstone.recording_id,
            "meeting_id": tombstone.meeting_id,
            "erased_at": tombstone.erased_at.isoformat().replace("+00:00", "Z"),
            "reason": tombstone.reason,
        }
        body = json.dumps(document, ensure_ascii=False, indent=1).encode()
        try:
            await self._bucket.put(self._key(tombstone.recording_id), body, content_type="application/json")
        except KeyTakenError:
            return

    async def ids(self) -> AsyncIterator[RecordingId]:
        """Yield the ids of all erased recordings, in the store's order."""
        async for key in self._bucket.keys(self._folder):
            name = key.removeprefix(self._folder).removesuffix(_SUFFIX)
            if key.endswith(_SUFFIX) and is_id(name):
                yield RecordingId(name)

    async def load(self, recording_id: RecordingId) -> Tombstone:
        """Return the recording's tombstone; raises `ObjectGoneError`, or `ManifestUnreadableError`."""
        try:
            said = json.loads(await fetch_manifest(self._bucket, self._key(recording_id)))
            erased_at = datetime.fromisoformat(said["erased_at"]).astimezone(UTC)
            if said["recording_id"] != recording_id or not is_id(said["meeting_id"]):
                raise ManifestUnreadableError("it names another recording, or no meeting")
            return Tombstone(
                recording_id=recording_id,
                meeting_id=MeetingId(said["meeting_id"]),
                erased_at=erased_at,
                reason=str(said["reason"]),
            )
        except (ValueError, LookupError, TypeError, RecursionError) as e:
            raise ManifestUnreadableError(f"it is no tombstone ({type(e).__name__})") from e

    async def load_all(self, ids: Sequence[RecordingId], *, now: datetime) -> list[Tombstone]:
        """Return these tombstones; of one that cannot be read the key says enough: its recording is erased."""
        room = asyncio.Semaphore(_AT_ONCE)

        async def load(one: RecordingId) -> Tombstone:
            async with room:
                try:
                    return await self.load(one)
                except ManifestUnreadableError as e:
                    _log.warning("tombstone_unreadable", recording_id=one, error=str(e))
                    return Tombstone.unreadable(one, at=now)

        return list(await asyncio.gather(*map(load, ids)))

    def _key(self, recording_id: RecordingId) -> str:
        return f"{self._folder}{recording_id}{_SUFFIX}"
