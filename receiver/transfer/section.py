"""One part's bytes on their way through: read from the source, hashed at the frontier, handed to the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.transfer.frontier import Frontier
    from receiver.transfer.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part's place in the file. `passed` is set once its last byte has been read for the first time."""

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
    """The chunks of one attempt at a part, as an async iterator that can be closed while it is being read.

    A store may answer before it has read the whole body; whoever reads it then is stopped by `close`, which
    returns only when the stream is free for the next attempt.
    """

    def __init__(self, stream: Stream, frontier: Frontier | None, part: Part) -> None:
        self._stream = stream
        self._frontier = frontier
        self._part = part
        self._offset = part.first
        self._turn = asyncio.Lock()
        self._closed = False
        self.reading = False

    def __aiter__(self) -> PartChunks:
        return self

    async def __anext__(self) -> bytes:
        async with self._turn:
            if self._closed or self._offset == self._part.end:
                raise StopAsyncIteration
            self.reading = True
            chunk = await self._stream.read(self._part.end - self._offset)
            self.reading = False
            if self._frontier is not None:
                self._frontier.feed(self._offset, chunk)
            self._offset += len(chunk)
            if self._offset == self._part.end:
                self._part.passed.set()
            return chunk

    async def close(self) -> None:
        """End the iteration and wait until nothing reads the stream any more."""
        self._closed = True
        async with self._turn:
            pass
