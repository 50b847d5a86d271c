"""The next part's request goes ahead of its turn: it brings its bytes in order, and stands in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from receiver.errors import StoreUnavailableError
from receiver.records import OpenUpload, UploadedPart
from tests.support.copying import run_of
from tests.support.memory_target import MemoryTarget, PartFault
from tests.support.source_server import MIB, Content, SourceServer, ranged

CONTENT = Content(22 * MIB)
PART_BYTES = 5 * MIB


class Expecting(MemoryTarget):
    """Takes part 1 whole, and asks for no more of it before the request of part 2 is there."""

    def __init__(self) -> None:
        super().__init__()
        self.second = threading.Event()
        self.came_ahead = False

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: Iterator[memoryview], *, size_bytes: int
    ) -> UploadedPart:
        if number == 2:
            self.second.set()
        return await super().upload_part(upload, number, chunks, size_bytes=size_bytes)

    def _receive(self, number: int, chunks: Iterator[memoryview]) -> bytes:
        return super()._receive(number, self._watched(chunks) if number == 1 else chunks)

    def _watched(self, chunks: Iterator[memoryview]) -> Iterator[memoryview]:
        got_bytes = 0
        for chunk in chunks:
            yield chunk
            got_bytes += len(chunk)
            if got_bytes == PART_BYTES:
                self.came_ahead = self.second.wait(10)


async def test_the_request_of_the_next_part_is_there_before_the_last_byte_is_done_with() -> None:
    target = Expecting()
    async with SourceServer(lambda request: ranged(CONTENT, request)) as source, run_of(source.url()) as run:
        stored = await run.copy(target)
    assert target.came_ahead
    assert stored.sha256 == CONTENT.sha256
    assert len(source.requests) == 1


@pytest.mark.parametrize("after_bytes", [1, 4 * MIB, PART_BYTES], ids=["as it begins", "near its end", "read whole"])
async def test_one_that_fails_when_the_next_is_on_its_way_gets_the_only_place_again(after_bytes: int) -> None:
    """The next one would wait for it there, and it for the place."""
    target = MemoryTarget()
    target.part_faults[1] = PartFault(StoreUnavailableError("SlowDown"), after_bytes=after_bytes, times=3)
    async with (
        SourceServer(lambda request: ranged(CONTENT, request)) as source,
        run_of(source.url(), requests_at_once=1) as run,
        asyncio.timeout(30),
    ):
        assert (await run.copy(target)).sha256 == CONTENT.sha256
    assert target.most_in_flight == 1
