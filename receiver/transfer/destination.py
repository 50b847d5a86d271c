"""Where a file goes: one key of the target, or the next beside it, written once or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver import logs
from receiver.backoff import growing_pause_s
from receiver.errors import (
    FenceLostError,
    KeyTakenError,
    ObjectConflictError,
    ReceiverError,
    StoreChecksumError,
    StoreUnavailableError,
)
from receiver.records import CopyProof, NotedObject, Rung, UnfinishedUpload, versions_of
from receiver.tasks import to_the_end
from receiver.transfer.pace import LONGEST_PAUSE_S
from receiver.transfer.proving import read_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from receiver.media.sniff import Media
    from receiver.records import ObjectHead, OpenUpload, UploadedPart
    from receiver.transfer.digest import RunningDigest
    from receiver.transfer.limits import Limits
    from receiver.transfer.ports import Ledger, Target
    from receiver.transfer.source import Source

CLEANUP_TIMEOUT_S = 15.0
MAX_TRIES = 4

_log = logs.get("transfer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`key` is where the recording's first file goes; one that finds others there goes to the first of its versions
    that is free. `ledger` makes the upload durable, so that a later run can go on with it, and raises where the fence
    is lost.
    """

    target: Target
    key: str
    media: Media
    ledger: Ledger
    limits: Limits

    async def free_key(self) -> str:
        """Return the first version of the key that holds no object."""
        for key in versions_of(self.key):
            if await self._is_free(key):
                return key
        raise AssertionError  # pragma: no cover

    async def put(self, body: bytearray, digest: RunningDigest) -> ObjectHead:
        """Write a small file in one request, or adopt the same bytes where they lie under a version of the key."""
        for key in versions_of(self.key):
            noted = NotedObject(key=key, size_bytes=digest.position, checksum=digest.checksum)
            await self.ledger.completing(noted)
            try:
                return await self.target.put(key, body, content_type=self.media.content_type)
            except KeyTakenError as e:
                head = await self._adopted(noted, taken=e)
                if head is not None:
                    return head
        raise AssertionError  # pragma: no cover

    @asynccontextmanager
    async def upload(self, source: Source, *, part_size_bytes: int) -> AsyncIterator[UnfinishedUpload]:
        """Hold an upload to the first free version of the key open, as `held_open` does."""
        upload = await self._at_free_key()
        unfinished = UnfinishedUpload(
            upload=upload,
            part_size_bytes=part_size_bytes,
            source_etag=source.etag,
            source_size_bytes=source.size_bytes,
        )
        try:
            await self.ledger.began(unfinished, upload.key)
        except BaseException:  # a lost fence too: the ledger does not name the upload, so no other run goes on with it
            await to_the_end(abort(self.target, upload))
            raise
        async with held_open(self.target, upload, self.ledger):
            yield unfinished

    async def _at_free_key(self) -> OpenUpload:
        """Open an upload to the first free version of the key, while the store is asked whether it is free.

        The ledger hears of the key before: a process killed between the two leaves an upload that the next run finds
        in the store's own list under that key.
        """
        for key in versions_of(self.key):
            await self.ledger.began(None, key)
            opening = asyncio.ensure_future(self._opened(key))
            try:
                is_free = await self._is_free(key)
                upload = await asyncio.shield(opening)
            except BaseException:
                await to_the_end(self._abort_when_open(opening))
                raise
            if is_free:
                return upload
            if not await abort(self.target, upload):
                raise StoreUnavailableError(f"an upload to {key}, where another file lies, could not be ended")
        raise AssertionError  # pragma: no cover

    async def _is_free(self, key: str) -> bool:
        head = await self.target.head(key)
        if head is not None:
            self._check_proven(head)
        return head is None

    async def _opened(self, key: str) -> OpenUpload:
        """Open an upload, again where the store fails; one whose answer was lost is ended before."""
        for tries in itertools.count(1):
            try:
                return await self.target.begin_upload(key, content_type=self.media.content_type)
            except StoreUnavailableError as e:
                pause_s = max(e.retry_after_s or 0, growing_pause_s(tries, self.limits.pause_s))
                if tries == MAX_TRIES or pause_s > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(pause_s)
            for stray in await self.target.open_uploads(key):
                if stray.key == key:
                    await abort(self.target, stray)
        raise AssertionError  # pragma: no cover

    async def complete(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        """Make the parts the object, or adopt the same bytes where they lie under an earlier version of the key.

        Other bytes that came to lie under the upload's own key meanwhile are an `ObjectConflictError`.
        """
        size_bytes = sum(part.size_bytes for part in parts)
        noted = NotedObject(key=upload.key, size_bytes=size_bytes, checksum=checksum)
        for key in itertools.takewhile(lambda key: key != upload.key, versions_of(self.key)):
            if (head := await self._adopted(replace(noted, key=key))) is not None:
                await abort(self.target, upload)
                return head
        await self.ledger.completing(noted)
        try:
            return await self.target.complete_upload(upload, parts, checksum=checksum)
        except KeyTakenError as e:
            head = await self._adopted(noted, taken=e)
            if head is None:
                raise ObjectConflictError(
                    f"other bytes came to lie under {upload.key} while this file was on its way, and were left alone"
                ) from e
            await abort(self.target, upload)
            return head

    async def _adopted(self, noted: NotedObject, taken: KeyTakenError | None = None) -> ObjectHead | None:
        """Return the object under the key if its bytes are those that were to be stored.

        Where the store's word does not tell, it is read back.
        """
        head = await self.target.head(noted.key)
        if head is None and taken is not None:
            raise StoreUnavailableError(f"{noted.key} was taken, then gone") from taken
        if head is None or head.size_bytes != noted.size_bytes:
            return None
        checksum = head.checksum
        if checksum is None:
            digest = await read_back(self.target, head, self.ledger.read_back)
            checksum = digest.checksum
            head = replace(head, proof=CopyProof(rung=Rung.READ_BACK, value=digest.sha256))
        if checksum != noted.checksum:
            self._check_proven(head)
            return None
        _log.info("object_adopted", key=noted.key, size_bytes=noted.size_bytes)
        return head

    def _check_proven(self, head: ObjectHead) -> None:
        """Refuse to store beside what may be the same bytes: such a store would fill with copies."""
        if self.ledger.left_unproven(head):
            raise StoreChecksumError(
                f"{head.key} holds what an earlier run stored and could not prove, and it may not be deleted"
            )

    async def discarded(self, head: ObjectHead) -> None:
        """Remove an object that was just stored and could not be proven; one that may not be removed is logged."""
        try:
            async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                await self.target.discard(head)
        except (ReceiverError, TimeoutError) as e:
            _log.error("unproven_object_left", key=head.key, version_id=head.version_id, reason=str(e))
        else:
            _log.warning("unproven_object_removed", key=head.key, version_id=head.version_id)

    async def _abort_when_open(self, opening: asyncio.Future[OpenUpload]) -> None:
        with contextlib.suppress(ReceiverError, TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                upload = await opening
            await abort(self.target, upload)


@asynccontextmanager
async def held_open(target: Target, upload: OpenUpload, ledger: Ledger) -> AsyncIterator[None]:
    """Abort the upload unless the block completes it, also when the block is cancelled, and have the ledger forget it.

    A run that lost its fence leaves it open: the run that has the fence now may be going on with it, or ends it.
    """
    try:
        yield
    except FenceLostError:
        _log.info("upload_left_to_another_run", key=upload.key)
        raise
    except BaseException:
        await to_the_end(_forgotten(target, upload, ledger))
        raise


async def _forgotten(target: Target, upload: OpenUpload, ledger: Ledger) -> None:
    """End an upload, and only once it is no more let the ledger drop its parts: until then a run may go on with it."""
    if await abort(target, upload):
        with contextlib.suppress(ReceiverError):  # the next run finds the upload gone by itself
            await ledger.aborted()


async def abort(target: Target, upload: OpenUpload) -> bool:
    """End an upload and tell whether it is no more; a store that cannot now is left with it, which is logged."""
    try:
        async with asyncio.timeout(CLEANUP_TIMEOUT_S):
            await target.abort_upload(upload)
    except (ReceiverError, TimeoutError) as e:
        # Every upload is in the store's own list: the next run of this key will end it.
        _log.warning("upload_left_open", key=upload.key, upload_id=upload.upload_id, reason=str(e))
        return False
    _log.info("upload_aborted", key=upload.key)
    return True
