"""One part's bytes on their way through: read from the source, hashed at the frontier, handed to the store."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.transfer.frontier import Frontier
    from receiver.transfer.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part's place in the file. `passed` is set once its last byte has been read and its reader is done with it."""

    number: int
    first: int
    end: int
    passed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def size_bytes(self) -> int:
        return self.end - self.first


def parts_of(file_bytes: int, part_bytes: int) -> list[Part]:
    """Cut a file into parts, numbered from 1; all but the last are `part_bytes` long."""
    return [
        Part(number=number, first=first, end=min(first + part_bytes, file_bytes))
        for number, first in enumerate(range(0, file_bytes, part_bytes), start=1)
    ]


class PartChunks:
    """The chunks of one attempt at a part: an iterator for the thread that sends them, closed by the event loop.

    A store may answer before it has read the whole body; whoever reads it then is stopped by `close`, which
    returns only when the stream is free for the next attempt. A chunk is good until the next one is asked for.
    """

    def __init__(self, stream: Stream, frontier: Frontier | None, part: Part) -> None:
        self._stream = stream
        self._frontier = frontier
        self._part = part
        self._offset = part.first
        self._loop = asyncio.get_running_loop()
        self._turn = threading.Lock()
        self._closed = False
        self.reading = False

    def __iter__(self) -> PartChunks:
        return self

    def __next__(self) -> memoryview:
        with self._turn:
            if self._closed or self._offset == self._part.end:
                self._loop.call_soon_threadsafe(self._note_passed)
                raise StopIteration
            self.reading = True
            chunk = self._stream.read(self._part.end - self._offset)
            self.reading = False
            if self._frontier is not None:
                self._frontier.feed(self._offset, chunk)
            self._offset += len(chunk)
            return chunk

    async def close(self) -> None:
        """End the iteration and wait until nothing reads the stream any more."""
        self._closed = True
        if not self._turn.acquire(blocking=False):
            self._stream.stop.set()
            await asyncio.to_thread(self._turn.acquire)
        self._turn.release()
        self._note_passed()

    def _note_passed(self) -> None:
        if self._offset == self._part.end:
            self._part.passed.set()
