"""Where a file goes: one key of the target, written once or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import FenceLostError, KeyTakenError, ObjectConflictError, ReceiverError, StoreUnavailableError
from receiver.records import UnfinishedUpload
from receiver.transfer.pace import LONGEST_PAUSE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from receiver.records import ObjectHead, OpenUpload, UploadedPart
    from receiver.transfer.frontier import Frontier
    from receiver.transfer.ledger import Ledger
    from receiver.transfer.limits import Limits
    from receiver.transfer.sniff import Media
    from receiver.transfer.source import Source
    from receiver.transfer.target import Target

CLEANUP_TIMEOUT_S = 15.0
MAX_TRIES = 4

_log = logs.get("transfer")
_cleanups: set[asyncio.Task[None]] = set()
"""Strong references: the event loop keeps only weak ones, and a second cancellation leaves a cleanup on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`ledger` makes the upload durable, so that a later run can go on with it, and raises where the fence is lost."""

    target: Target
    key: str
    media: Media
    ledger: Ledger
    limits: Limits

    async def put(self, body: bytearray, frontier: Frontier) -> ObjectHead:
        """Write a small file in one request."""
        await self.ledger.began(None, self.key)
        try:
            return await self.target.put(self.key, body, content_type=self.media.content_type)
        except KeyTakenError as e:
            return await self._adopt(frontier.position, frontier.checksum, e)

    @asynccontextmanager
    async def upload(self, source: Source, *, part_size_bytes: int) -> AsyncIterator[UnfinishedUpload]:
        """Hold an upload open, as `held_open` does.

        The ledger hears of the key before the upload exists: a process killed between the two leaves an upload that
        the next run finds in the store's own list under that key.
        """
        await self.ledger.began(None, self.key)
        opening = asyncio.ensure_future(self._opened())
        try:
            upload = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await _finished(self._abort_when_open(opening))
            raise
        unfinished = UnfinishedUpload(
            upload=upload,
            part_size_bytes=part_size_bytes,
            source_etag=source.etag,
            source_size_bytes=source.size_bytes,
        )
        try:
            await self.ledger.began(unfinished, self.key)
        except BaseException:  # a lost fence too: the ledger does not name the upload, so no other run goes on with it
            await _finished(abort(self.target, upload))
            raise
        async with held_open(self.target, upload):
            yield unfinished

    async def _opened(self) -> OpenUpload:
        """Open an upload, again where the store fails; one whose answer was lost is ended before."""
        for tries in itertools.count(1):
            try:
                return await self.target.begin_upload(self.key, content_type=self.media.content_type)
            except StoreUnavailableError as e:
                pause_s = max(e.retry_after_s or 0, self.limits.pause_s * 2 ** (tries - 1))
                if tries == MAX_TRIES or pause_s > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(pause_s)
            for stray in await self.target.open_uploads(self.key):
                if stray.key == self.key:
                    await abort(self.target, stray)
        raise AssertionError  # pragma: no cover

    async def complete(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        """Make the parts the object, or adopt the same bytes where another run was faster."""
        try:
            return await self.target.complete_upload(upload, parts, checksum=checksum)
        except KeyTakenError as e:
            head = await self._adopt(sum(part.size_bytes for part in parts), checksum, e)
            await abort(self.target, upload)
            return head

    async def _adopt(self, size_bytes: int, checksum: str, taken: KeyTakenError) -> ObjectHead:
        head = await self.target.head(self.key)
        if head is None:
            raise StoreUnavailableError(f"{self.key} was taken, then gone") from taken
        if (head.size_bytes, head.checksum) != (size_bytes, checksum):
            raise ObjectConflictError(
                f"{self.key} already holds other bytes ({head.size_bytes} of them); it was left untouched"
            ) from taken
        _log.info("object_adopted", key=self.key, size_bytes=head.size_bytes)
        return head

    async def _abort_when_open(self, opening: asyncio.Future[OpenUpload]) -> None:
        with contextlib.suppress(ReceiverError, TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                upload = await opening
            await abort(self.target, upload)


@asynccontextmanager
async def held_open(target: Target, upload: OpenUpload) -> AsyncIterator[None]:
    """Abort the upload unless the block completes it, also when the block is cancelled.

    A run that lost its fence leaves it open: the run that has the fence now may be going on with it, or ends it.
    """
    try:
        yield
    except FenceLostError:
        _log.info("upload_left_to_another_run", key=upload.key)
        raise
    except BaseException:
        await _finished(abort(target, upload))
        raise


async def abort(target: Target, upload: OpenUpload) -> None:
    """End an upload; a store that cannot now is left with it, which is logged."""
    try:
        async with asyncio.timeout(CLEANUP_TIMEOUT_S):
            await target.abort_upload(upload)
    except (ReceiverError, TimeoutError) as e:
        # Every upload is in the store's own list: the next run of this key will end it.
        _log.warning("upload_left_open", key=upload.key, upload_id=upload.upload_id, reason=str(e))
    else:
        _log.info("upload_aborted", key=upload.key)


async def _finished(cleanup: Awaitable[None]) -> None:
    """Await a cleanup that a further cancellation can no longer stop."""
    task = asyncio.ensure_future(cleanup)
    _cleanups.add(task)
    task.add_done_callback(_cleanups.discard)
    await asyncio.shield(task)
