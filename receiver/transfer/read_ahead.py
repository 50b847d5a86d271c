"""A stream read and hashed ahead of the thread that sends it, by a thread of its own where cores are to spare.

With TLS, reading and sending need a core each, so that one file alone takes a sixth longer in one thread. Beside other
copies the cores are busy anyway, and the thread that sends also reads.
"""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from receiver.transfer.stop import Threads

if TYPE_CHECKING:
    from receiver.transfer.cores import Cores
    from receiver.transfer.digest import RunningDigest
    from receiver.transfer.source import Stream
    from receiver.transfer.stop import Stop

CHUNK_BYTES = 512 * 1024
CHUNKS = 3


class ReadAhead:
    """The rest of a stream in chunks, of which at most `CHUNKS` are held; `digest` is fed what is read of it.

    `read` is called by one thread at a time, the rest by the event loop. Inside the block stream and digest are no
    one else's.
    """

    def __init__(self, stream: Stream, digest: RunningDigest, cores: Cores) -> None:
        self._stream = stream
        self._digest = digest
        self._cores = cores
        self._thread = Threads(1)
        self._buffers = [memoryview(bytearray(CHUNK_BYTES)) for _ in range(CHUNKS)]
        self._free: SimpleQueue[memoryview | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[memoryview, memoryview] | BaseException] = SimpleQueue()
        self._kept: list[memoryview] = []
        """The buffers that the reading thread has not been given."""
        self._rest = self._buffers[0][:0]
        self.position = stream.position
        self.stop: Stop = stream.stop

    async def __aenter__(self) -> Self:
        self._cores.copies += 1
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cores.copies -= 1
        await self._end()
        self._thread.close()

    def read(self, limit: int) -> memoryview:
        """Return the next bytes, at least one and at most `limit`, good until the next call; none only at the end.

        Raises what reading the stream raised, after the bytes that came before.
        """
        if not self._rest:
            self._rest = self._next()
        taken, self._rest = self._rest[:limit], self._rest[limit:]
        self.position += len(taken)
        return taken

    def _next(self) -> memoryview:
        self._let_read_ahead()
        if len(self._kept) == CHUNKS:  # so the thread has none, and neither reads nor holds a chunk that was read
            return self._fill(self._kept[0])
        filled = self._filled.get()
        if isinstance(filled, BaseException):
            raise filled
        buffer, chunk = filled
        self._kept.append(buffer)
        return chunk

    def _let_read_ahead(self) -> None:
        while self._kept and self._cores.are_spare:
            self._free.put(self._kept.pop())

    async def seek(self, position: int) -> None:
        """Go on from another byte, dropping what was read beyond it."""
        if self.stop.is_set or position != self.position:
            await self._end()
            self._stream.seek(position)
            self.position = position
            self._begin()

    async def finish(self) -> None:
        """Make sure that no byte follows the last one that was promised, which has been read; then all is hashed."""
        self._free.put(None)
        await self._filling
        await self._thread.run(self._stream.finish, self.stop)

    def _begin(self) -> None:
        self._free, self._filled = SimpleQueue(), SimpleQueue()
        self._kept, self._rest = list(self._buffers), self._buffers[0][:0]
        self._let_read_ahead()
        self._filling = asyncio.ensure_future(self._thread.run(self._fill_ahead, self.stop))

    async def _end(self) -> None:
        if not self._filling.done():  # a stream that was read to its end may have left its connection to another
            self.stop.set()
            self._free.put(None)
            await asyncio.wait({self._filling})

    def _fill_ahead(self) -> None:
        try:
            while (buffer := self._free.get()) is not None:
                self._filled.put((buffer, self._fill(buffer)))
        except BaseException as e:  # noqa: BLE001  (it is raised again in the thread that reads)
            self._filled.put(e)

    def _fill(self, buffer: memoryview) -> memoryview:
        offset = self._stream.position
        filled = buffer[: self._stream.read_into(buffer)]
        self._digest.feed(offset, filled)
        return filled
