"""One part's bytes on their way through: read from the source, handed to the store."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.transfer.ahead import Ahead
    from receiver.transfer.cores import CoreTurn
    from receiver.transfer.part import Part
    from receiver.transfer.stream import Stream


class PartChunks:
    """The chunks of one attempt at a part: an iterator for the thread that sends them, closed by the event loop.

    A store may answer before it has read the whole body; whoever reads it then is stopped by `close`, which
    returns only when the stream is free for the next attempt. A chunk is good until the next one is asked for.
    """

    def __init__(self, stream: Stream | Ahead, part: Part, core: CoreTurn) -> None:
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
