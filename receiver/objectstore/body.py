"""A part's bytes on their way to the store: counted, checksummed, watched, and never held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from awscrt.checksums import crc64nvme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RelayBody:
    """The body of one UploadPart request, read once from `chunks` as the connection takes it.

    The HTTP library reads it in a task of its own and hides what `chunks` raised, so that is kept in `error`.
    `stalled` is an `asyncio.timeout` that runs only while the store, not the source, is waited for.
    """

    def __init__(self, chunks: AsyncIterator[bytes], size_bytes: int, progress_timeout_s: float) -> None:
        self._chunks = chunks
        self.left = size_bytes
        self._progress_timeout_s = progress_timeout_s
        self._loop = asyncio.get_running_loop()
        self.stalled = asyncio.timeout(progress_timeout_s)
        self.crc = 0
        self.error: Exception | None = None

    def __aiter__(self) -> RelayBody:
        return self

    async def __anext__(self) -> bytes:
        self._watch(None)
        try:
            chunk = await anext(self._chunks, b"")
            self._count(chunk)
        except Exception as e:
            self.error = e
            raise
        self._watch(self._loop.time() + self._progress_timeout_s)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def _count(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        if self.left < 0 or (not chunk and self.left):
            raise ValueError(f"a part's chunks and its size differ by {-self.left} bytes")
        self.crc = crc64nvme(chunk, self.crc)

    def _watch(self, when: float | None) -> None:
        if not self.stalled.expired() and self.stalled.when() != when:
            self.stalled.reschedule(when)

    # botocore takes a body for a file by these names; a request that is never repeated never calls them.
    def read(self, *_: Any) -> bytes:
        raise NotImplementedError

    def seek(self, *_: Any) -> int:
        return 0

    def tell(self) -> int:
        return 0
