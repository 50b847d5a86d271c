from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable

import pytest

from receiver.errors import SourceTruncatedError
from receiver.transfer.cores import Cores
from receiver.transfer.digest import RunningDigest
from receiver.transfer.read_ahead import CHUNK_BYTES, CHUNKS, ReadAhead
from receiver.transfer.stop import Stop, StoppedError

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 64)


class ScriptedStream:
    """Fills every buffer it is given from `CONTENT`; at `fails_at` it raises, at `stalls_at` it waits to be stopped."""

    def __init__(self, fails_at: int | None = None, stalls_at: int | None = None) -> None:
        self.position = 0
        self.stop = Stop()
        self.reads = threading.Semaphore(0)
        self.finished = False
        self.readers: set[str] = set()
        self._fails_at, self._stalls_at = fails_at, stalls_at

    def read_into(self, buffer: memoryview) -> int:
        self.readers.add(threading.current_thread().name.partition("_")[0])
        if self.position == self._fails_at:
            raise SourceTruncatedError("scripted")
        if self.position == self._stalls_at:
            self.reads.release()
            self.stop.pause(60)
            raise AssertionError("nobody stopped the reader")
        found = CONTENT[self.position : self.position + len(buffer)]
        buffer[: len(found)] = found
        self.position += len(found)
        self.reads.release()
        return len(found)

    def seek(self, position: int) -> None:
        self.position = position
        self.stop.clear()

    def finish(self) -> None:
        self.finished = True


async def read(ahead: ReadAhead, limit: int) -> bytes:
    return bytes(await asyncio.to_thread(ahead.read, limit))


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():
            await asyncio.sleep(0.001)


async def test_the_next_chunks_are_there_and_hashed_before_they_are_asked_for() -> None:
    stream, digest = ScriptedStream(), RunningDigest()
    async with ReadAhead(stream, digest, Cores()) as ahead:
        assert await read(ahead, 10) == CONTENT[:10]
        await read(ahead, CHUNK_BYTES)  # the rest of the first chunk, whose buffer is still the reader's
        await until(lambda: digest.position == CHUNKS * CHUNK_BYTES)
        assert stream.position == CHUNKS * CHUNK_BYTES
        await read(ahead, 1)
        await until(lambda: digest.position == len(CONTENT))
        assert ahead.position == CHUNK_BYTES + 1


async def test_all_of_it_comes_in_order_and_is_hashed_once_finished() -> None:
    stream, digest, taken = ScriptedStream(), RunningDigest(), []
    async with ReadAhead(stream, digest, Cores()) as ahead:
        while chunk := await read(ahead, 300_000):
            taken.append(chunk)
        await ahead.finish()
    assert b"".join(taken) == CONTENT
    assert digest.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert stream.finished
    assert not stream.stop.is_set, "a connection that another may have by now would be shut"


@pytest.mark.parametrize(
    ("cores", "copies", "reader"), [(2, 1, "source"), (1, 1, "source"), (2, 2, "asyncio"), (4, 2, "source")]
)
async def test_a_thread_of_its_own_reads_only_where_each_copy_has_two_cores_or_is_alone(cores, copies, reader) -> None:
    stream, shared = ScriptedStream(), Cores(cores)
    shared.copies = copies - 1
    async with ReadAhead(stream, RunningDigest(), shared) as ahead:
        await read(ahead, CHUNK_BYTES)
    assert stream.readers == {reader}
    assert shared.copies == copies - 1


async def test_all_of_it_comes_in_order_whoever_reads_as_other_copies_begin_and_end() -> None:
    stream, digest, shared, taken = ScriptedStream(), RunningDigest(), Cores(2), b""
    shared.copies = 1
    async with ReadAhead(stream, digest, shared) as ahead:
        for copies, readers in ((2, {"asyncio"}), (1, {"asyncio", "source"}), (2, {"asyncio", "source"})):
            shared.copies = copies
            taken += await read(ahead, CHUNK_BYTES)
            assert stream.readers == readers
        shared.copies = 1
        while chunk := await read(ahead, CHUNK_BYTES):
            taken += chunk
        await ahead.finish()
    assert taken == CONTENT
    assert digest.sha256 == hashlib.sha256(CONTENT).hexdigest()


async def test_where_the_cores_are_busy_again_the_sender_takes_what_was_read_and_then_reads_by_itself() -> None:
    stream, digest, shared = ScriptedStream(), RunningDigest(), Cores(2)
    async with ReadAhead(stream, digest, shared) as ahead:
        taken = await read(ahead, CHUNK_BYTES)
        shared.copies = 2
        await until(lambda: digest.position == CHUNKS * CHUNK_BYTES)
        stream.readers.clear()
        while chunk := await read(ahead, CHUNK_BYTES):
            taken += chunk
        await ahead.finish()
    assert taken == CONTENT
    assert stream.readers == {"asyncio"}


async def test_an_error_comes_after_the_bytes_before_it() -> None:
    async with ReadAhead(ScriptedStream(fails_at=CHUNK_BYTES), RunningDigest(), Cores()) as ahead:
        assert await read(ahead, CHUNK_BYTES) == CONTENT[:CHUNK_BYTES]
        with pytest.raises(SourceTruncatedError):
            await read(ahead, 1)


async def test_going_back_drops_what_was_read_and_hashes_nothing_twice() -> None:
    stream, digest = ScriptedStream(stalls_at=2 * CHUNK_BYTES), RunningDigest()
    async with ReadAhead(stream, digest, Cores()) as ahead:
        await read(ahead, CHUNK_BYTES)
        for _ in range(3):
            await asyncio.to_thread(stream.reads.acquire)
        stream._stalls_at = None
        await ahead.seek(100)
        assert await read(ahead, 50) == CONTENT[100:150]
        while await read(ahead, CHUNK_BYTES):
            pass
        await ahead.finish()
    assert digest.sha256 == hashlib.sha256(CONTENT).hexdigest()


async def test_where_it_stands_already_nothing_is_read_again() -> None:
    stream = ScriptedStream()
    async with ReadAhead(stream, RunningDigest(), Cores()) as ahead:
        await read(ahead, 10)
        await ahead.seek(10)
        assert await read(ahead, 10) == CONTENT[10:20]
    assert stream.reads.acquire(blocking=False)


@pytest.mark.parametrize("stalls_at", [0, None], ids=["waits for the host", "waits for a free buffer"])
async def test_leaving_ends_the_reader_wherever_it_waits(stalls_at: int | None) -> None:
    stream = ScriptedStream(stalls_at=stalls_at)
    async with asyncio.timeout(10), ReadAhead(stream, RunningDigest(), Cores()) as ahead:
        for _ in range(1 if stalls_at == 0 else CHUNKS):
            await asyncio.to_thread(stream.reads.acquire)
    assert ahead._filling.done()


async def test_who_waits_for_bytes_is_stopped_with_the_stream() -> None:
    stream = ScriptedStream(stalls_at=0)
    async with ReadAhead(stream, RunningDigest(), Cores()) as ahead:
        reading = asyncio.create_task(read(ahead, 1))
        await asyncio.to_thread(stream.reads.acquire)
        stream.stop.set()
        with pytest.raises(StoppedError):
            await reading
