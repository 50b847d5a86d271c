"""What stays in the bucket of erased persons: a keyed digest of each id and e-mail, and the key.

Nobody reads an id or an e-mail from a digest. Who may read the bucket, key and all, can test one that they think of.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from receiver.errors import KeyTakenError, ManifestUnreadableError, ObjectGoneError
from receiver.objectstore.manifests import fetch_manifest
from receiver.records import PersonTombstone

if TYPE_CHECKING:
    from receiver.objectstore.objects import Objects

FOLDER = ".receiver-erased-persons/"
"""Under the root of all keys."""
_KEY_BYTES = 32
_SUFFIX = ".json"


class PersonTombstones:
    """`root` is what all keys of the archive begin with."""

    def __init__(self, bucket: Objects, *, root: str) -> None:
        self._bucket = bucket
        self._folder = f"{root}{FOLDER}"

    async def key(self, proposed: bytes | None) -> bytes | None:
        """Return the key of the digests; where there is none, `proposed` becomes it. Safe to repeat."""
        try:
            return await self._key()
        except ObjectGoneError:
            if proposed is None:
                return None
        try:
            await self._bucket.put(f"{self._folder}key", proposed, content_type="application/octet-stream")
        except KeyTakenError:
            return await self._key()
        return proposed

    async def store(self, tombstone: PersonTombstone) -> None:
        """Store it; one that lies there stays as it is. Safe to repeat."""
        document = {
            "tombstone_version": 1,
            "erased_at": tombstone.erased_at.isoformat().replace("+00:00", "Z"),
            "also_attended": tombstone.also_attended,
        }
        key, body = f"{self._folder}{tombstone.digest}{_SUFFIX}", json.dumps(document, indent=1).encode()
        try:
            await self._bucket.put(key, body, content_type="application/json")
        except KeyTakenError:
            return

    async def all(self) -> list[PersonTombstone]:
        """Return every one of them."""
        keys = [key async for key in self._bucket.keys(self._folder) if key.endswith(_SUFFIX)]
        return [await self._load(key) for key in keys]

    async def _key(self) -> bytes:
        key = await fetch_manifest(self._bucket, f"{self._folder}key")
        if len(key) != _KEY_BYTES:
            raise ManifestUnreadableError(f"{self._folder}key has not {_KEY_BYTES} bytes", "put it back from a backup")
        return key

    async def _load(self, key: str) -> PersonTombstone:
        try:
            said = json.loads(await fetch_manifest(self._bucket, key))
            return PersonTombstone(
                digest=key.removeprefix(self._folder).removesuffix(_SUFFIX),
                erased_at=datetime.fromisoformat(said["erased_at"]).astimezone(UTC),
                also_attended=said["also_attended"] is True,
            )
        except (ValueError, LookupError, TypeError, RecursionError) as e:
            raise ManifestUnreadableError(f"{key} is no tombstone ({type(e).__name__})", "put it back") from e
