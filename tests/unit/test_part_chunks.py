from __future__ import annotations

import asyncio
import threading

import pytest

from receiver.transfer.cores import Cores, CoreTurn
from receiver.transfer.multipart import PartChunks
from receiver.transfer.parts import Part
from receiver.transfer.stop import Stop, StoppedError


class ScriptedStream:
    """Gives one byte for each release, or nothing once it is stopped."""

    def __init__(self, releases):
        self.releases = releases
        self.stop = Stop()
        self.asked = threading.Event()

    def read(self, limit):
        self.asked.set()
        if self.releases:
            self.releases -= 1
            return memoryview(b"x"[:limit])
        self.stop.pause(60)
        raise AssertionError("nobody stopped the reader")


async def test_close_stops_whoever_still_reads_and_waits_for_it():
    """A store that answers early leaves its sender reading; the stream is free only when that has ended."""
    stream = ScriptedStream(releases=0)
    part = Part(number=1, first=0, end=3)
    chunks = PartChunks(stream, part, CoreTurn(Cores()))
    reading = asyncio.get_running_loop().run_in_executor(None, next, chunks)
    await asyncio.to_thread(stream.asked.wait)
    await chunks.close()
    with pytest.raises(StoppedError):
        await reading
    with pytest.raises(StopIteration):
        next(chunks)
    assert not part.passed.is_set()


async def test_a_stream_that_nobody_reads_is_not_stopped():
    stream = ScriptedStream(releases=1)
    chunks = PartChunks(stream, Part(number=1, first=0, end=3), CoreTurn(Cores()))
    next(chunks)
    await chunks.close()
    assert not stream.stop.is_set


async def test_a_chunk_has_a_core_until_the_next_is_asked_for_and_the_last_one_gives_it_back():
    cores = Cores(1)
    chunks = PartChunks(ScriptedStream(releases=2), Part(number=1, first=0, end=2), CoreTurn(cores))
    for _ in range(2):
        next(chunks)
        assert not cores._free
    with pytest.raises(StopIteration):
        next(chunks)
    assert cores._free == 1


async def test_an_attempt_that_ends_early_gives_its_core_back():
    cores = Cores(1)
    chunks = PartChunks(ScriptedStream(releases=1), Part(number=1, first=0, end=3), CoreTurn(cores))
    next(chunks)
    await chunks.close()
    assert cores._free == 1


async def test_a_part_is_passed_when_its_last_chunk_is_done_with():
    """The next part's bytes come into the same buffer, so it may not begin while the last chunk is still being sent."""
    stream = ScriptedStream(releases=2)
    part = Part(number=2, first=0, end=2)
    chunks = PartChunks(stream, part, CoreTurn(Cores()))
    next(chunks)
    await asyncio.sleep(0)
    assert not part.passed.is_set()
    next(chunks)
    await asyncio.sleep(0)
    assert not part.passed.is_set()
    with pytest.raises(StopIteration):
        next(chunks)
    await asyncio.wait_for(part.passed.wait(), 1)


async def test_a_part_whose_last_chunk_was_asked_for_and_no_more_is_passed_when_closed():
    part = Part(number=2, first=0, end=1)
    chunks = PartChunks(ScriptedStream(releases=1), part, CoreTurn(Cores()))
    next(chunks)
    await chunks.close()
    assert part.passed.is_set()
