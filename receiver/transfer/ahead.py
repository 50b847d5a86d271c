"""A stream read and hashed by a thread of its own, ahead of whoever sends it: with TLS each of the two needs a core."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from receiver.transfer.stop import Threads

if TYPE_CHECKING:
    from receiver.transfer.frontier import Frontier
    from receiver.transfer.stop import Stop
    from receiver.transfer.stream import Stream

CHUNK_BYTES = 512 * 1024
CHUNKS = 3


class Ahead:
    """The rest of a stream in chunks, of which at most `CHUNKS` are held; `frontier` is fed what is read of it.

    `read` is called by one thread at a time, the rest by the event loop. Inside the block stream and frontier are no
    one else's.
    """

    def __init__(self, stream: Stream, frontier: Frontier) -> None:
        self._stream = stream
        self._frontier = frontier
        self._thread = Threads(1)
        self._buffers = [memoryview(bytearray(CHUNK_BYTES)) for _ in range(CHUNKS)]
        self._free: SimpleQueue[memoryview | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[memoryview, memoryview] | BaseException] = SimpleQueue()
        self._chunk: memoryview | None = None
        self._rest = self._buffers[0][:0]
        self.position = stream.position
        self.stop: Stop = stream.stop

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        self._thread.close()

    def read(self, limit: int) -> memoryview:
        """Return the next bytes, at least one and at most `limit`, good until the next call; none only at the end.

        Raises what reading the stream raised, after the bytes that came before.
        """
        if not self._rest:
            if self._chunk is not None:
                self._free.put(self._chunk)
                self._chunk = None
            filled = self._filled.get()
            if isinstance(filled, BaseException):
                raise filled
            self._chunk, self._rest = filled
        taken, self._rest = self._rest[:limit], self._rest[limit:]
        self.position += len(taken)
        return taken

    async def seek(self, position: int) -> None:
        """Go on from another byte, dropping what was read beyond it."""
        if self.stop.is_set or position != self.position:
            await self._end()
            self._stream.seek(position)
            self.position = position
            self._begin()

    async def finish(self) -> None:
        """Make sure that no byte follows the last one that was promised, which has been read; then all is hashed."""
        await self._filling
        await self._thread.run(self._stream.finish, self.stop)

    def _begin(self) -> None:
        self._free, self._filled = SimpleQueue(), SimpleQueue()
        self._chunk, self._rest = None, self._buffers[0][:0]
        for buffer in self._buffers:
            self._free.put(buffer)
        self._filling = asyncio.ensure_future(self._thread.run(self._fill, self.stop))

    async def _end(self) -> None:
        if not self._filling.done():  # a stream that was read to its end may have left its connection to another
            self.stop.set()
            self._free.put(None)
            await asyncio.wait({self._filling})

    def _fill(self) -> None:
        try:
            while (buffer := self._free.get()) is not None:
                offset = self._stream.position
                filled = buffer[: self._stream.read_into(buffer)]
                self._frontier.feed(offset, filled)
                self._filled.put((buffer, filled))
                if not filled:
                    return
        except BaseException as e:  # noqa: BLE001  (it is raised again by who reads)
            self._filled.put(e)
