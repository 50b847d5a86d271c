"""The entry of this part: copies a file into the bucket, or proves one that an earlier run left there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from receiver import logs
from receiver.errors import (
    SourceChangedError,
    SourceError,
    SourceIncompleteError,
    SourceStalledError,
    StoreChecksumError,
)
from receiver.media import walker_for
from receiver.media.sniff import SNIFF_BYTES, sniff
from receiver.records import NotedObject
from receiver.tasks import to_the_end
from receiver.transfer.cores import Cores
from receiver.transfer.destination import Destination, abort, held_open
from receiver.transfer.digest import RunningDigest, combined
from receiver.transfer.fetch import Connections, Fetcher
from receiver.transfer.multipart import PartsRelay
from receiver.transfer.pace import Pace, Throttle
from receiver.transfer.parts import confirmed, same_file
from receiver.transfer.proving import Proving
from receiver.transfer.read_ahead import ReadAhead
from receiver.transfer.source import Refresh, Shared, Source
from receiver.transfer.stop import Stop, Threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from receiver.media.sniff import Media
    from receiver.records import ObjectHead, StoredFile, UnfinishedUpload
    from receiver.transfer.limits import Limits
    from receiver.transfer.policy import DownloadPolicy
    from receiver.transfer.ports import Ledger, Target
    from receiver.transfer.source import Stream

T = TypeVar("T")
SMALL_PUTS = 4
"""So many small bodies are sent at once: the event loop's transport and TLS each hold another copy of theirs."""
_log = logs.get("transfer")


@asynccontextmanager
async def open_copier(policy: DownloadPolicy, limits: Limits) -> AsyncIterator[Copier]:
    """Yield a copier; one is enough for any number of copies at once."""
    connections = Connections(policy, timeout_s=limits.progress_timeout_s)
    threads = Threads(limits.requests_at_once)
    try:
        shared = Shared(
            fetcher=Fetcher(connections, policy, limits),
            threads=threads,
            cores=Cores(),
            limits=limits,
            pace=Pace(limits.requests_at_once),
            throttle=Throttle(limits.bandwidth_bytes_s) if limits.bandwidth_bytes_s else None,
        )
        yield Copier(shared)
    finally:
        threads.close()
        connections.close()


class Copier:
    """Copies files; holds nothing of any of them between calls."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._small_puts = asyncio.Semaphore(SMALL_PUTS)

    async def copy(
        self,
        *,
        refresh: Refresh,
        target: Target,
        key_for: Callable[[str], str],
        ledger: Ledger,
        resume: UnfinishedUpload | None = None,
    ) -> StoredFile:
        """Copy the file that `refresh` names to `key_for(extension)` and prove the copy.

        A file whose container says that its end is missing is a `SourceIncompleteError`, unless these very bytes came
        before, as `ledger` knows: then they are all that the source has, and are kept as `incomplete`.

        What `ledger` raises ends the copy; where its first call does, nothing is stored. With `resume`, the parts that
        an earlier run sent are kept if the source is still the same file; if not, that upload is ended. However this
        ends, no upload of it stays open, but where the fence was lost. An object under the key is never overwritten:
        the same bytes are adopted, beside others the file is stored under the next free version of the key.
        """
        source = Source(self._shared, refresh)

        def goal(media: Media) -> Destination:
            return Destination(
                target=target, key=key_for(media.extension), media=media, ledger=ledger, limits=self._limits
            )

        try:
            stored = await self._go_on(source, goal, target, ledger, resume) if resume is not None else None
            if stored is None:
                stored = await self._copy_whole(source, goal)
        except SourceError as e:
            e.origin = source.origin
            raise
        _log.info("file_stored", key=stored.key, size_bytes=stored.size_bytes)
        return stored

    async def _copy_whole(self, source: Source, goal_of: Callable[[Media], Destination]) -> StoredFile:
        stream, head = await self._begun(source)
        try:
            goal = goal_of(sniff(head))
            proving = self._proving(goal.target, goal.ledger.read_back)
            is_small = source.size_bytes <= self._limits.small_file_bytes
            rung = goal.target.abilities.put_proof if is_small else goal.target.abilities.upload_proof
            proving.check_reachable(rung)
            copied = self._copy_small if is_small else self._copy_large
            digest, stored = await copied(source, stream, goal)
        finally:
            stream.close()
        try:
            return await proving.of_written(stored, digest, content_type=goal.media.content_type)
        except StoreChecksumError:
            await to_the_end(goal.discarded(stored))
            raise

    async def _begun(self, source: Source, upto: int | None = None) -> tuple[Stream, bytes]:
        """Open the source; return the stream, of which nothing is read yet, and the bytes it begins with."""
        stop = Stop()

        def begin() -> tuple[Stream, bytes]:
            stream = source.open(stop, upto)
            try:
                return stream, stream.peek(SNIFF_BYTES)
            except BaseException:
                stream.close()
                raise

        return await self._soon(begin, stop, SNIFF_BYTES)

    async def _copy_small(self, source: Source, stream: Stream, goal: Destination) -> tuple[RunningDigest, ObjectHead]:
        body = await self._soon(stream.read_all, stream.stop, source.size_bytes)
        digest = RunningDigest(walker_for(goal.media.content_type))
        digest.feed(0, body)
        _check_whole(digest, goal.ledger)
        async with self._small_puts, self._shared.pace.turn():
            return digest, await goal.put(body, digest)

    async def _copy_large(self, source: Source, stream: Stream, goal: Destination) -> tuple[RunningDigest, ObjectHead]:
        digest = RunningDigest(walker_for(goal.media.content_type))
        part_size_bytes = self._limits.part_size(source.size_bytes, goal.target.abilities.most_parts)
        async with goal.upload(source, part_size_bytes=part_size_bytes) as unfinished:
            async with ReadAhead(stream, digest, self._shared.cores) as ahead:
                relay = PartsRelay(source, goal.ledger.stored, in_order=ahead)
                parts = await relay.send(goal.target, unfinished)
            if combined(parts) != digest.checksum:
                raise SourceChangedError("a part that was read twice had other bytes the second time")
            _check_whole(digest, goal.ledger)
            return digest, await goal.complete(unfinished.upload, parts, checksum=digest.checksum)

    async def _go_on(
        self,
        source: Source,
        goal_of: Callable[[Media], Destination],
        target: Target,
        ledger: Ledger,
        resume: UnfinishedUpload,
    ) -> StoredFile | None:
        """Send what an earlier run's upload lacks; None, and that upload ended, where this is not surely its file.

        This run has not seen the earlier bytes, so the object is read back from the store to be hashed.
        """
        async with held_open(target, resume.upload, ledger):
            is_as_now = resume.upload.rung is target.abilities.upload_proof  # else its parts lack what proves them
            parts = confirmed(resume, await target.list_parts(resume.upload) or ()) if is_as_now else ()
            goal = await self._goal_again(source, goal_of, resume) if parts else None
            if goal is not None:
                _log.info("upload_resumed", key=resume.upload.key, parts_kept=len(parts))
                unfinished = replace(resume, parts=parts)
                await ledger.began(unfinished, resume.upload.key)
                sent = await PartsRelay(source, ledger.stored).send(target, unfinished)
                checksum = combined(sent)
                head = await goal.complete(resume.upload, sent, checksum=checksum)
        if goal is None:
            await abort(target, resume.upload)
            return None
        sent_object = NotedObject(key=head.key, size_bytes=source.size_bytes, checksum=checksum)
        stored = await self._proving(target, ledger.read_back).existing(sent_object, proof=head.proof)
        if stored is None:
            await to_the_end(goal.discarded(head))
            raise StoreChecksumError(f"{head.key} does not hold the bytes that were sent")
        return stored

    async def _goal_again(
        self, source: Source, goal_of: Callable[[Media], Destination], resume: UnfinishedUpload
    ) -> Destination | None:
        """Look at the file's first bytes once more; None where it is another file or would go elsewhere now."""
        stream, head = await self._begun(source, SNIFF_BYTES)
        stream.close()
        goal = goal_of(sniff(head))
        same = same_file(resume, source) and await goal.free_key() == resume.upload.key
        return goal if same else None

    async def _soon(self, reading: Callable[[], T], stop: Stop, size_bytes: int) -> T:
        try:
            async with asyncio.timeout(self._limits.deadline_s(size_bytes)):
                return await self._shared.threads.run(reading, stop)
        except TimeoutError as e:
            raise SourceStalledError(
                f"the file came slower than {self._limits.min_rate_bytes_s} bytes per second"
            ) from e

    async def prove_existing(
        self, *, target: Target, noted: NotedObject, note: Callable[[int], Awaitable[None]]
    ) -> StoredFile | None:
        """Prove an object that a run completed but did not record, by reading all of it back.

        None where there is no object, or another than the noted one. Bytes that do not agree with the store's own size
        and checksum are an error. `note` hears how much was read.
        """
        return await self._proving(target, note).existing(noted)

    def _proving(self, target: Target, note: Callable[[int], Awaitable[None]]) -> Proving:
        return Proving(target=target, weakest=self._limits.min_proof, note=note)


def _check_whole(digest: RunningDigest, ledger: Ledger) -> None:
    """Refuse a file whose own sizes say that its end is missing, unless another fetch has brought the very same."""
    structure = digest.structure
    if structure is not None and structure.is_cut and not ledger.came_before(digest.sha256):
        raise SourceIncompleteError(
            f"the file was cut before the platform stored it: {structure.incomplete}", sha256=digest.sha256
        )
