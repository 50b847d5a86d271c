"""A run of a source's bytes, in order, that survives cut connections and expired URLs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from receiver import logs, metrics
from receiver.errors import (
    JobError,
    SourceDeniedError,
    SourceLengthMismatchError,
    SourceStalledError,
    SourceTruncatedError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from receiver.transfer.limits import Limits
    from receiver.transfer.source import Source

MAX_FRUITLESS = 3
"""So many interruptions without a new byte between them end the run."""

_log = logs.get("transfer")


class Stream:
    """Bytes `first` to `end` of a source, read with `read` from where `position` stands."""

    def __init__(
        self,
        source: Source,
        limits: Limits,
        *,
        first: int,
        end: int,
        answer: aiohttp.ClientResponse | None = None,
    ) -> None:
        self._source = source
        self._limits = limits
        self._end = end
        self._answer = answer
        self._carry = b""
        self._fruitless = 0
        self.position = first

    async def read(self, limit: int) -> bytes:
        """Return the next bytes, at least one and at most `limit`; none is left only at the end."""
        if not self._carry and self.position < self._end:
            self._carry = await self._receive()
        chunk, self._carry = self._carry[:limit], self._carry[limit:]
        self.position += len(chunk)
        return chunk

    async def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, or all there are, leaving them to be read."""
        wanted = min(count, self._end - self.position)
        while len(self._carry) < wanted:
            self._carry += await self._receive()
        return self._carry[:wanted]

    async def read_all(self) -> bytes:
        """Return every byte that is left, for files small enough to hold."""
        pieces: list[bytes] = []
        while self.position < self._end:
            pieces.append(await self.read(self._end))
        await self.finish()
        return b"".join(pieces)

    def seek(self, position: int) -> None:
        """Go on from another byte, dropping the connection unless it stands there already."""
        if position != self.position:
            self.close()
            self.position = position

    async def finish(self) -> None:
        """Make sure that no byte follows the last one that was promised."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        try:
            more = await answer.content.readany()
        except (aiohttp.ClientError, OSError):
            more = b""  # every promised byte has come; how the connection ended says nothing
        finally:
            answer.close()
        if more:
            raise SourceLengthMismatchError("more bytes came than the answer promised")

    def close(self) -> None:
        """Drop the connection and what came of it unread."""
        self._carry = b""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    async def _receive(self) -> bytes:
        received = self.position + len(self._carry)
        while True:
            try:
                if self._answer is None:
                    self._answer = await self._source.get_from(received, self._end)
                chunk = await self._next_chunk(self._answer, received)
            # a fresh URL that is refused may be the old one again: signed in the same second, it has the same signature
            except (SourceDeniedError, SourceUnavailableError, SourceStalledError, SourceTruncatedError) as e:
                await self._interrupted(e, received)
                continue
            if received + len(chunk) > self._end:
                raise SourceLengthMismatchError("more bytes came than the answer promised")
            self._fruitless = 0
            metrics.bytes_read.inc(len(chunk))
            return chunk

    async def _next_chunk(self, answer: aiohttp.ClientResponse, received: int) -> bytes:
        try:
            chunk = await answer.content.readany()
        except TimeoutError as e:
            raise SourceStalledError(f"no byte came for {self._limits.progress_timeout_s:g} s after {received}") from e
        except (aiohttp.ClientError, OSError) as e:
            raise SourceTruncatedError(f"the download was cut at byte {received} of {self._end}") from e
        if not chunk:
            raise SourceTruncatedError(f"the download ended at byte {received} of {self._end}")
        return chunk

    async def _interrupted(self, error: JobError, received: int) -> None:
        """Wait before the next request goes on at `received`, or raise where another cannot or did not help."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        self._fruitless += 1
        asked_to_wait = (error.retry_after_s or 0) > self._limits.progress_timeout_s
        if not self._source.resumable or self._fruitless > MAX_FRUITLESS or asked_to_wait:
            raise error
        _log.info("source_interrupted", code=error.code, offset=received, fruitless=self._fruitless)
        pause_s = self._limits.pause_s * 2 ** (self._fruitless - 2) if self._fruitless > 1 else 0.0
        await asyncio.sleep(max(error.retry_after_s or 0.0, pause_s))
