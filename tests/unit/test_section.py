from __future__ import annotations

import asyncio

import pytest

from receiver.transfer.frontier import Frontier
from receiver.transfer.section import Part, PartChunks


class ScriptedStream:
    """Gives one byte for each release."""

    def __init__(self):
        self.releases = asyncio.Semaphore(0)
        self.asked = asyncio.Event()

    async def read(self, limit):
        self.asked.set()
        await self.releases.acquire()
        return b"x"[:limit]


async def test_close_waits_for_whoever_still_reads():
    """A store that answers early leaves its sender reading; the stream is free only when that has ended."""
    stream = ScriptedStream()
    part = Part(number=1, first=0, end=3)
    chunks = PartChunks(stream, Frontier(), part)
    reading = asyncio.ensure_future(anext(chunks))
    await stream.asked.wait()
    closing = asyncio.ensure_future(chunks.close())
    await asyncio.sleep(0)
    assert not closing.done()
    stream.releases.release()
    await closing
    assert reading.done()
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    assert not part.passed.is_set()


async def test_a_part_is_passed_with_its_last_byte():
    stream = ScriptedStream()
    part = Part(number=2, first=0, end=2)
    chunks = PartChunks(stream, Frontier(), part)
    stream.releases.release()
    await anext(chunks)
    assert not part.passed.is_set()
    stream.releases.release()
    await anext(chunks)
    assert part.passed.is_set()
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
