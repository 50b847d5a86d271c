"""Putting right what was found wanting: from the platform, or from another version in the bucket, with the same bytes.

Nothing is written over a damaged object and nothing is copied within the store: the bytes pass through here, are
compared with what was recorded, and the new object is proven as any archived one is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.errors import JobError, NotRepairableError, ObjectConflictError, ReceiverError
from receiver.objectstore import mend_manifest, store_manifest
from receiver.records import FreshUrl, ObjectHead, UrlOrigin, versions_of
from receiver.transfer import read_back

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from receiver.catalogue import FixityIndex
    from receiver.meetings import MeetingsApi
    from receiver.objectstore import Bucket
    from receiver.records import Actor, NotedObject, Recording, StoredFile, UnfinishedUpload, UploadedPart, Verdict
    from receiver.transfer import Copier, Refresh

_URL_LIFE = timedelta(hours=12)
_NUMBER = re.compile(r"\.v[1-9]\d*(\.[a-z0-9]+)$")
_log = logs.get("fixity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """`copier` fetches from the platform, `own_copier` from the bucket itself; `api` is None without credentials.

    `ready` returns once it is known what the bucket can do.
    """

    bucket: Bucket
    ready: Callable[[], Awaitable[None]]
    api: MeetingsApi | None
    copier: Copier
    own_copier: Copier
    index: FixityIndex
    clock: Callable[[], datetime]

    async def mend(self, verdict: Verdict, *, by: Actor) -> str:
        """Put right what the verdict found wanting, on record, and say from where.

        Raises `NotRepairableError` where nothing has the bytes, `JobError` where something is away; safe to repeat.
        """
        await self.ready()
        recording, stored = verdict.recording, verdict.recording.archive
        if stored is None or recording.archived_at is None or stored.bucket != self.bucket.name:
            raise NotRepairableError(
                f"the object is not in {self.bucket.name}", "run the audit with RECEIVER_S3_BUCKET naming its bucket"
            )
        if verdict.is_object:
            origin, mended = await self._stored_again(recording, stored)
            await store_manifest(self.bucket, recording, mended, archived_at=recording.archived_at)
        else:
            origin, mended = "the index", stored
            await mend_manifest(self.bucket, recording, stored, archived_at=recording.archived_at)
        await self.index.repaired(recording, mended, origin=origin, by=by, now=self.clock())
        metrics.repaired_objects.inc()
        _log.warning("object_repaired", recording_id=recording.id, key=mended.key, origin=origin)
        return origin

    async def _stored_again(self, recording: Recording, stored: StoredFile) -> tuple[str, StoredFile]:
        reasons = []
        for origin, source in (("the platform", self._platform), ("another version", self._version)):
            try:
                return origin, await source(recording, stored)
            except NotRepairableError as e:
                reasons.append(e.happened)
        raise NotRepairableError(
            f"nothing has the archived bytes any more: {'; '.join(reasons)}",
            f"where somebody has a copy, its SHA-256 must be {stored.sha256}",
        )

    async def _platform(self, recording: Recording, stored: StoredFile) -> StoredFile:
        api = self.api
        if api is None:
            raise NotRepairableError("the platform cannot be asked without API credentials")

        async def refresh(rejected: FreshUrl | None) -> FreshUrl:
            return (await api.listed(recording.id, recording.meeting.id, rejected=rejected)).url

        try:
            return await self._copied(self.copier, refresh, stored)
        except ObjectConflictError:
            raise NotRepairableError("the platform has other bytes by now") from None
        except JobError as e:
            if e.side is not None:
                raise
            raise NotRepairableError(f"the platform does not have it ({e.code}: {e.happened})") from e

    async def _version(self, recording: Recording, stored: StoredFile) -> StoredFile:
        del recording
        for version_id, size_bytes in await self.bucket.versions(stored.key):
            if version_id == (stored.version_id or "null") or size_bytes != stored.size_bytes:
                continue
            if await self._has_the_bytes(stored, version_id):
                url = await self.bucket.presign_download(
                    stored.key,
                    expires_s=int(_URL_LIFE.total_seconds()),
                    filename=None,
                    content_type=None,
                    version_id=version_id,
                )
                fresh = FreshUrl(url=url, expires_at=self.clock() + _URL_LIFE, origin=UrlOrigin.API)
                return await self._copied(self.own_copier, _always(fresh), stored)
        raise NotRepairableError("the bucket has no other version of the object with them")

    async def _has_the_bytes(self, stored: StoredFile, version_id: str) -> bool:
        head = ObjectHead(
            key=stored.key,
            size_bytes=stored.size_bytes,
            etag="",
            checksum=None,
            content_type=None,
            version_id=version_id,
        )
        try:
            digest = await read_back(self.bucket, head, _unnoted)
        except JobError as e:
            _log.info("version_unread", key=stored.key, version_id=version_id, error=str(e))
            return False
        return (digest.position, digest.sha256) == (stored.size_bytes, stored.sha256)

    async def _copied(self, copier: Copier, refresh: Refresh, stored: StoredFile) -> StoredFile:
        """Store the file where nothing lies, if it is the very one; raises `ObjectConflictError` if not."""
        key = await self._free_key(stored.key)
        copied = await copier.copy(
            refresh=refresh, target=self.bucket, key_for=lambda _: key, ledger=RepairLedger(stored)
        )
        if copied.sha256 != stored.sha256:
            await self.bucket.discard(_head_of(copied))
            raise ObjectConflictError("the file is another than the archived one")
        proof = copied.proof
        return replace(
            copied,
            incomplete=stored.incomplete,
            content_type=stored.content_type,
            proof=None if proof is None else replace(proof, at=self.clock()),
        )

    async def _free_key(self, key: str) -> str:
        for one in versions_of(_NUMBER.sub(r"\1", key)):
            if await self.bucket.head(one) is None:
                return one
        raise AssertionError  # pragma: no cover


@dataclass(frozen=True, slots=True)
class RepairLedger:
    """`receiver.transfer.Ledger` of a copy that is to be the archived file again; nothing of it is resumed.

    An upload that a kill leaves open is ended by the hourly sweep, since no row has noted it.
    """

    file: StoredFile

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None: ...

    async def stored(self, part: UploadedPart) -> None: ...

    async def completing(self, noted: NotedObject) -> None:
        """Refuse to complete anything but the archived file."""
        if (noted.size_bytes, noted.checksum) != (self.file.size_bytes, self.file.checksum):
            raise ObjectConflictError("the file is another than the archived one")

    async def aborted(self) -> None: ...

    async def read_back(self, read_bytes: int) -> None: ...

    def left_unproven(self, head: ObjectHead) -> bool:
        del head
        return False

    def came_before(self, sha256: str) -> bool:
        """Take a file that is cut, if that is the one which was archived."""
        return sha256 == self.file.sha256


def _always(fresh: FreshUrl) -> Refresh:
    async def refresh(rejected: FreshUrl | None) -> FreshUrl:
        if rejected is not None:
            raise NotRepairableError("the bucket refused its own URL")
        return fresh

    return refresh


def _head_of(stored: StoredFile) -> ObjectHead:
    return ObjectHead(
        key=stored.key,
        size_bytes=stored.size_bytes,
        etag="",
        checksum=None,
        content_type=None,
        version_id=stored.version_id,
    )


async def _unnoted(_read_bytes: int) -> None:
    """Tell nobody how far a reading is."""


async def outcome(repair: Repair, verdict: Verdict, *, by: Actor) -> tuple[bool, str]:
    """Try to repair, and tell whether it was and in words how."""
    try:
        return True, f"repaired from {await repair.mend(verdict, by=by)}"
    except ReceiverError as e:
        return False, f"not repaired: {e}"
