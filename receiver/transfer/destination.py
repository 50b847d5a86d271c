"""Where a file goes: one key of the target, written once or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import KeyTakenError, ObjectConflictError, ReceiverError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from receiver.records import ObjectHead, OpenUpload, UploadedPart
    from receiver.transfer.frontier import Frontier
    from receiver.transfer.sniff import Media
    from receiver.transfer.target import Target

CLEANUP_TIMEOUT_S = 15.0

_log = logs.get("transfer")
_cleanups: set[asyncio.Task[None]] = set()
"""Strong references: the event loop keeps only weak ones, and a second cancellation leaves a cleanup on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`began` makes the upload durable, so that a later run can end it, and raises where the run lost its fence."""

    target: Target
    key: str
    media: Media
    began: Callable[[OpenUpload | None, str], Awaitable[None]]

    async def put(self, body: bytes, frontier: Frontier) -> ObjectHead:
        """Write a small file in one request."""
        await self.began(None, self.key)
        try:
            return await self.target.put(self.key, body, content_type=self.media.content_type, only_if_absent=True)
        except KeyTakenError as e:
            return await self._adopt(frontier, e)

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[OpenUpload]:
        """Hold an upload open; it is aborted unless the block completed it, also when the block is cancelled.

        `began` hears of the key before the upload exists: a process killed between the two leaves an upload that the
        next run finds in the store's own list under that key.
        """
        await self.began(None, self.key)
        opening = asyncio.ensure_future(self.target.begin_upload(self.key, content_type=self.media.content_type))
        try:
            upload = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await _finished(self._abort_when_open(opening))
            raise
        try:
            await self.began(upload, self.key)
            yield upload
        except BaseException:
            await _finished(self._abort(upload))
            raise

    async def complete(self, upload: OpenUpload, parts: Sequence[UploadedPart], frontier: Frontier) -> ObjectHead:
        """Make the parts the object, or adopt the same bytes where an earlier run was faster."""
        try:
            return await self.target.complete_upload(upload, parts, checksum=frontier.checksum)
        except KeyTakenError as e:
            head = await self._adopt(frontier, e)
            await self._abort(upload)
            return head

    async def _adopt(self, frontier: Frontier, taken: KeyTakenError) -> ObjectHead:
        head = await self.target.head(self.key)
        if head is None:
            raise StoreUnavailableError(f"{self.key} was taken, then gone") from taken
        if (head.size_bytes, head.checksum) != (frontier.position, frontier.checksum):
            raise ObjectConflictError(
                f"{self.key} already holds other bytes ({head.size_bytes} of them); it was left untouched"
            ) from taken
        _log.info("object_adopted", key=self.key, size_bytes=head.size_bytes)
        return head

    async def _abort(self, upload: OpenUpload) -> None:
        try:
            async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                await self.target.abort_upload(upload)
        except (ReceiverError, TimeoutError) as e:
            # The upload is on the row, and every upload is in the store's own list: the sweep will end it.
            _log.warning("upload_left_open", key=self.key, upload_id=upload.upload_id, reason=str(e))
        else:
            _log.info("upload_aborted", key=self.key)

    async def _abort_when_open(self, opening: asyncio.Future[OpenUpload]) -> None:
        with contextlib.suppress(ReceiverError, TimeoutError):
            async with asyncio.timeout(CLEANUP_TIMEOUT_S):
                upload = await opening
            await self._abort(upload)


async def _finished(cleanup: Awaitable[None]) -> None:
    """Await a cleanup that a further cancellation can no longer stop."""
    task = asyncio.ensure_future(cleanup)
    _cleanups.add(task)
    task.add_done_callback(_cleanups.discard)
    await asyncio.shield(task)
