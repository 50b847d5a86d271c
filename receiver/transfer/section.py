"""One part's bytes on their way through: read from the source, handed to the store."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError as VoidTicketError
from typing import TYPE_CHECKING

from receiver.transfer.stop import StoppedError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from receiver.transfer.ahead import Ahead
    from receiver.transfer.cores import CoreTurn
    from receiver.transfer.part import Part
    from receiver.transfer.stream import Stream

_AHEAD_S = 0.25
"""How long before its turn a part's request is sent: the store's answer to its header takes a round trip or two, and S3
gives up on a request that then brings no byte for 20 s."""


class PartChunks:
    """The chunks of one attempt at a part: an iterator for the thread that sends them, closed by the event loop.

    A store may answer before it has read the whole body; whoever reads it then is stopped by `close`, which
    returns only when the stream is free for the next attempt. A chunk is good until the next one is asked for.
    With a `ticket` the stream is another part's until that is done; where it is void, `StoppedError` is raised.
    """

    def __init__(self, stream: Stream | Ahead, part: Part, core: CoreTurn, ticket: Future[None] | None = None) -> None:
        self._core = core
        self._ticket = ticket
        self._began_at = 0.0
        self._stream = stream
        self._part = part
        self._offset = part.first
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._is_end_noted = False
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
            if not self._began_at:
                self._wait_for_turn()
            self._core.begin()
            self.reading = True
            chunk = self._stream.read(self._part.end - self._offset)
            self.reading = False
            self._offset += len(chunk)
            self._note_end_is_near()
            return chunk

    def _wait_for_turn(self) -> None:
        try:
            if self._ticket is not None:
                self._ticket.result()
        except VoidTicketError as e:
            raise StoppedError from e
        if self._closed:
            raise StoppedError
        self._began_at = time.monotonic()

    def _note_end_is_near(self) -> None:
        """Let the next part begin its request when this one, at its speed until now, has no more than that to go."""
        done, left = self._offset - self._part.first, self._part.end - self._offset
        if not self._is_end_noted and left * (time.monotonic() - self._began_at) <= done * _AHEAD_S:
            self._is_end_noted = True
            self._loop.call_soon_threadsafe(self._part.near_end.set)

    async def close(self) -> None:
        """End the iteration and wait until nothing reads the stream any more."""
        self._closed = True
        if not self._lock.acquire(blocking=False):
            if self._ticket is None or not self._ticket.cancel():  # who still waits for its turn reads nothing
                self._stream.stop.set()
            await asyncio.to_thread(self._lock.acquire)
        self._core.end()  # inside the lock: the sender may be about to do the same
        self._lock.release()
        self._note_passed()

    def _note_passed(self) -> None:
        if self._offset == self._part.end:
            self._part.pass_on()
