"""A large file's way into the bucket: parts relayed one after the other, their answers awaited side by side."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

from receiver import logs
from receiver.backoff import growing_pause_s
from receiver.errors import (
    FenceLostError,
    JobError,
    ReceiverError,
    SourceStalledError,
    StoreChecksumError,
    StoreUnavailableError,
)
from receiver.transfer.cores import CoreTurn
from receiver.transfer.pace import LONGEST_PAUSE_S
from receiver.transfer.parts import Part, parts_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.records import OpenUpload, UnfinishedUpload, UploadedPart
    from receiver.transfer.ports import Target
    from receiver.transfer.read_ahead import ReadAhead
    from receiver.transfer.source import Source, Stream


MAX_TRIES = 4
"""So often one part is sent before the run gives up."""

_log = logs.get("transfer")


class PartChunks:
    """The chunks of one attempt at a part: an iterator for the thread that sends them, closed by the event loop.

    A store may answer before it has read the whole body; a thread that still reads it is stopped by `close`, which
    returns only when the stream is free for the next attempt. A chunk is good until the next one is asked for.
    """

    def __init__(self, stream: Stream | ReadAhead, part: Part, core: CoreTurn) -> None:
        self._core = core
        self._stream = stream
        self._part = part
        self._offset = part.first
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._closed = False
        self.reading = False

    def __iter__(self) -> PartChunks:
        return self

    def __next__(self) -> memoryview:
        with self._lock:
            if self._closed or self._offset == self._part.end:
                self._core.end()
                self._loop.call_soon_threadsafe(self._note_passed)
                raise StopIteration
            self._core.begin()
            self.reading = True
            chunk = self._stream.read(self._part.end - self._offset)
            self.reading = False
            self._offset += len(chunk)
            return chunk

    async def close(self) -> None:
        """End the iteration and wait until nothing reads the stream any more."""
        self._closed = True
        if not self._lock.acquire(blocking=False):
            self._stream.stop.set()
            await asyncio.to_thread(self._lock.acquire)
        self._core.end()  # inside the lock: the sender may be about to do the same
        self._lock.release()
        self._note_passed()

    def _note_passed(self) -> None:
        if self._offset == self._part.end:
            self._part.passed.set()


class PartsRelay:
    """Sends every part of a source that an open upload lacks; `stored` is awaited with each that it then has.

    The source is read by one part at a time; up to `part_concurrency` parts are open, all but one of them waiting for
    the store's answer. A part that fails is read again by itself and sent again. With `in_order`, one stream reads the
    whole file and hashes it; without, every part is read by itself.
    """

    def __init__(
        self,
        source: Source,
        stored: Callable[[UploadedPart], Awaitable[None]],
        in_order: ReadAhead | None = None,
    ) -> None:
        self._source = source
        self._limits = source.shared.limits
        self._stored = stored
        self._stream = in_order
        self._free = asyncio.Semaphore(self._limits.part_concurrency)

    async def send(self, target: Target, unfinished: UnfinishedUpload) -> list[UploadedPart]:
        """Return all parts as the store confirmed them, in order; on any error no part is left in flight."""
        held = {part.number: part for part in unfinished.parts}
        sent: list[asyncio.Task[UploadedPart]] = []
        this = asyncio.current_task()
        assert this is not None  # noqa: S101  (a coroutine always runs in a task)
        cancelling = this.cancelling()
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts_of(self._source.size_bytes, unfinished.part_size_bytes):
                    if part.number in held:
                        continue
                    await self._free.acquire()
                    sent.append(group.create_task(self._send_part(target, unfinished.upload, part)))
                    await part.passed.wait()
                if self._stream is not None:
                    await self._stream.finish()
        except BaseExceptionGroup as e:
            if this.cancelling() > cancelling:
                # Python 3.11's group leaves its own mark where a part failed last; code that looks at it later in this
                # task, as aiohttp does where a connection is lost, would take that for a cancellation from outside
                this.uncancel()
            error = _foremost(e)
            raise error from error.__cause__
        held |= {part.number: part for part in (task.result() for task in sent)}
        return [held[number] for number in sorted(held)]

    async def _send_part(self, target: Target, upload: OpenUpload, part: Part) -> UploadedPart:
        for tries in range(1, MAX_TRIES + 1):
            try:
                uploaded = await self._try_part(target, upload, part)
                break
            except (StoreUnavailableError, StoreChecksumError) as e:
                jitter = 0.5 + random.random()  # noqa: S311
                pause_s = max(e.retry_after_s or 0, growing_pause_s(tries, self._limits.pause_s) * jitter)
                if tries == MAX_TRIES or pause_s > LONGEST_PAUSE_S or not self._source.resumable:
                    raise
                _log.info("part_failed", key=upload.key, part=part.number, tries=tries, code=e.code, reason=str(e))
                await asyncio.sleep(pause_s)
        await self._stored(uploaded)
        self._free.release()
        return uploaded

    async def _try_part(self, target: Target, upload: OpenUpload, part: Part) -> UploadedPart:
        if self._stream is None or part.passed.is_set():
            stream = self._source.section(part.first, part.end)
            try:
                return await self._send_from(target, upload, part, stream)
            finally:
                stream.close()
        await self._stream.seek(part.first)  # all before this part has passed, so the stream is its own
        return await self._send_from(target, upload, part, self._stream)

    async def _send_from(
        self, target: Target, upload: OpenUpload, part: Part, stream: Stream | ReadAhead
    ) -> UploadedPart:
        chunks = PartChunks(stream, part, CoreTurn(self._source.shared.cores))
        try:
            async with self._source.shared.pace.turn():
                return await self._sent_in_time(target, upload, part, chunks)
        finally:
            await chunks.close()

    async def _sent_in_time(self, target: Target, upload: OpenUpload, part: Part, chunks: PartChunks) -> UploadedPart:
        try:
            async with asyncio.timeout(self._limits.deadline_s(part.size_bytes)):
                return await target.upload_part(upload, part.number, chunks, size_bytes=part.size_bytes)
        except TimeoutError as e:
            slow = f"{upload.key} part {part.number} was slower than {self._limits.min_rate_bytes_s} bytes per second"
            raise (SourceStalledError(slow) if chunks.reading else StoreUnavailableError(slow)) from e


def _foremost(group: BaseExceptionGroup) -> BaseException:
    """Of errors that came together, choose one of this service's own; a lost fence outranks what it led to."""
    leaves = [_foremost(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    for wanted in (FenceLostError, JobError, ReceiverError, BaseException):
        for leaf in leaves:
            if isinstance(leaf, wanted):
                return leaf
    return group
