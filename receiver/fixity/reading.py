"""One archived object, read whole in one GET of the version that was proven, and its manifest beside the row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver.errors import ManifestUnreadableError, ObjectGoneError, StoreRefusedError
from receiver.manifests import differences, manifest_key, read_manifest
from receiver.objectstore import Bucket, fetch_manifest
from receiver.records import Fixity, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.fixity.pace import ReadingRate
    from receiver.records import Recording, StoredFile

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReader:
    """Reads what the store has; what it says of it (HEAD, ETag, checksums) proves nothing of the bytes now."""

    bucket: Bucket
    pace: ReadingRate
    _others: dict[str, Bucket] = field(default_factory=dict, init=False)

    async def look(self, recording: Recording) -> Verdict:
        """Read the object, then its manifest, and say how they are.

        Raises `StoreError` where the store does not give one of them out, which says nothing of its bytes yet.
        """
        stored = recording.archive
        assert stored is not None  # noqa: S101  (only archived ones are read)
        bucket = self.bucket_of(stored)
        read_bytes, fixity, reason = await self._object(bucket, stored)
        is_object = fixity is not Fixity.INTACT
        if not is_object:
            fixity, reason = await self._manifest(bucket, recording, stored)
        return Verdict(recording=recording, fixity=fixity, read_bytes=read_bytes, reason=reason, is_object=is_object)

    async def answers(self, recording: Recording) -> bool:
        """Tell whether the store gives out this recording's manifest, whatever stands in it; raises `StoreError`."""
        stored = recording.archive
        if stored is None:
            return False
        try:
            await fetch_manifest(self.bucket_of(stored), manifest_key(stored.key))
        except ManifestUnreadableError:
            return True
        except ObjectGoneError:
            return False
        return True

    def bucket_of(self, stored: StoredFile) -> Bucket:
        """Return the bucket that the row names: the setting may have changed since."""
        if stored.bucket == self.bucket.name:
            return self.bucket
        if stored.bucket not in self._others:
            view = self.bucket.again_as(Bucket)
            view.name, view.abilities = stored.bucket, self.bucket.abilities
            self._others[stored.bucket] = view
        return self._others[stored.bucket]

    async def _object(self, bucket: Bucket, stored: StoredFile) -> tuple[int, Fixity, str | None]:
        try:
            came, sha256 = await bucket.digest(stored.key, version_id=stored.version_id, note=self._paced())
        except (ObjectGoneError, StoreRefusedError) as e:
            if not await self._is_gone(bucket, stored.key, stored.version_id, e):
                raise
            return 0, Fixity.MISSING, _lacks(stored)
        if (came, sha256) != (stored.size_bytes, stored.sha256):
            archived = f"archived were {stored.size_bytes} with {stored.sha256}"
            return came, Fixity.DAMAGED, f"{came} bytes with SHA-256 {sha256} came, {archived}"
        return came, Fixity.INTACT, None

    async def _manifest(self, bucket: Bucket, recording: Recording, stored: StoredFile) -> tuple[Fixity, str | None]:
        key = manifest_key(stored.key)
        try:
            manifest = read_manifest(await fetch_manifest(bucket, key))
        except ObjectGoneError as e:
            if not await self._is_gone(bucket, key, None, e):
                raise
            return Fixity.MISSING, "the object is intact; its manifest is missing"
        except ManifestUnreadableError as e:
            return Fixity.DAMAGED, f"the object is intact; of what lies as its manifest: {e}"
        if changed := differences(manifest, recording):
            more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
            named = ", ".join(changed[:_MOST_NAMED])
            return Fixity.DAMAGED, f"the object is intact; its manifest says another {named}{more} than the index"
        return Fixity.INTACT, None

    async def _is_gone(
        self, bucket: Bucket, key: str, version_id: str | None, error: ObjectGoneError | StoreRefusedError
    ) -> bool:
        """Ask once more in another way: a 404 alone may be a store that lost sight of a part of itself.

        A store refuses (400) the id of a version that is another store's.
        """
        if isinstance(error, StoreRefusedError):
            return version_id is not None
        return await bucket.head(key, version_id=version_id) is None

    def _paced(self) -> Callable[[int], Awaitable[None]]:
        seen = 0

        async def note(position: int) -> None:
            nonlocal seen
            count, seen = position - seen, position
            await self.pace.took(count)

        return note


def _lacks(stored: StoredFile) -> str:
    """Say so without the key, which may hold a name: the log keeps this for ever."""
    return (
        "the store has no object there"
        if stored.version_id is None
        else f"the store has no version {stored.version_id}"
    )
