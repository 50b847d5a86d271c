"""Audits: many objects read again, a few at once. One that cannot be read is put aside and holds nothing up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.backoff import growing_pause_s
from receiver.errors import StoreError
from receiver.records import Fixity, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from receiver.catalogue import FixityIndex
    from receiver.fixity.reading import ObjectReader
    from receiver.records import Recording, RecordingId

    OnVerdict = Callable[[Verdict], Awaitable[None]]

AT_ONCE = 4
_MOST_DONE = 200
_OTHERS = 3
_log = logs.get("fixity")


@dataclass(slots=True, kw_only=True)
class Audit:
    """`patience_s` is how long a store that is away is waited for; then its error ends the audit, which says nothing of
    any object. What is put aside is tried again after `again_after_s`.
    """

    reader: ObjectReader
    index: FixityIndex
    clock: Callable[[], datetime]
    patience_s: float = 0.0
    again_after_s: float = 2.0
    tries: int = 3
    """So often an object must fail, while the store gives out others, before an audit calls it unreadable."""
    _sound: Recording | None = field(default=None, init=False)

    async def look(self, recording: Recording) -> Verdict | StoreError:
        """Read one object; an error is its own: the store gave it not out, and another at once.

        Raises the store's error once it was away, or refused, for longer than the patience.
        """
        waited_s, pauses = 0.0, 0
        while True:
            try:
                verdict = await self.reader.look(recording)
            except StoreError as e:
                if await self._serves_others(
                    recording
                ):  # such as a single object in cold storage, or in another bucket
                    return e
                pauses += 1
                pause_s = growing_pause_s(pauses, 1.0, 15.0)
                if e.needs_hand or waited_s + pause_s > self.patience_s:
                    raise
                _log.warning("audit_waits", error=str(e), pause_s=pause_s)
                await asyncio.sleep(pause_s)
                waited_s += pause_s
                continue
            if verdict.fixity is Fixity.INTACT:
                self._sound = recording
            return verdict

    async def all_of(
        self,
        recordings: AsyncIterator[Recording],
        on_verdict: OnVerdict,
        on_unread: Callable[[Recording, StoreError], Awaitable[None]],
    ) -> AsyncIterator[Recording]:
        """Look at all of them, a few at once; yield those that are done with, in the order they came.

        `on_unread` hears of those that could not be read while others could.
        """

        async def one(recording: Recording) -> None:
            found = await self.look(recording)
            if isinstance(found, Verdict):
                await on_verdict(found)
            else:
                _log.info("object_unread", recording_id=recording.id, error=str(found))
                await on_unread(recording, found)

        async for recording in _few_at_once(recordings, one):
            yield recording

    async def judge(self, aside: Mapping[RecordingId, StoreError], on_verdict: OnVerdict) -> None:
        """Try again what could not be read, with what error it was, and give a verdict on each."""

        async def again(recording: Recording) -> None:
            found: Verdict | StoreError = aside[recording.id]
            for _ in range(self.tries - 1):
                await asyncio.sleep(self.again_after_s)
                found = await self.look(recording)
                if isinstance(found, Verdict):
                    break
            await on_verdict(found if isinstance(found, Verdict) else unreadable(recording, found))

        async for _ in _few_at_once(self.index.each(aside), again):
            pass

    async def _serves_others(self, recording: Recording) -> bool:
        """Tell whether the store gives out anything else now; with nothing else archived, the recording's manifest."""
        sound = self._sound
        if sound is not None and sound.id != recording.id:
            others = [sound]
        else:
            others = await self.index.others(recording.id, most=_OTHERS) or [recording]
        for other in others:
            try:
                if await self.reader.answers(other):
                    return True
            except StoreError:
                continue
        return False


def unreadable(recording: Recording, error: StoreError) -> Verdict:
    """Return the verdict on an object that the store fails to give out."""
    return Verdict(recording=recording, fixity=Fixity.UNREADABLE, read_bytes=0, reason=error.happened)


def tell(verdict: Verdict) -> None:
    """Say in the log and in the metrics what was found."""
    metrics.audited_objects.labels(result=verdict.fixity).inc()
    metrics.audited_bytes.inc(verdict.read_bytes)
    if verdict.fixity is not Fixity.INTACT:
        stored = verdict.recording.archive
        _log.error(
            f"object_{verdict.fixity}",
            recording_id=verdict.recording.id,
            key=stored.key if stored else None,
            reason=verdict.reason,
        )


async def _few_at_once(
    recordings: AsyncIterator[Recording], act: Callable[[Recording], Awaitable[None]]
) -> AsyncIterator[Recording]:
    """Act on each, a few at once, and yield those that are done in the order they came; an error ends all."""
    running: list[tuple[Recording, asyncio.Future[None]]] = []
    try:
        async for recording in recordings:
            running.append((recording, asyncio.ensure_future(act(recording))))
            while running and running[0][1].done():
                yield _ended(running)
            while sum(not task.done() for _, task in running) >= AT_ONCE or len(running) > _MOST_DONE:
                unfinished = [task for _, task in running if not task.done()]
                await asyncio.wait(unfinished or [running[0][1]], return_when=asyncio.FIRST_COMPLETED)
                while running and running[0][1].done():
                    yield _ended(running)
        while running:
            await asyncio.wait({running[0][1]})
            yield _ended(running)
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


def _ended(running: list[tuple[Recording, asyncio.Future[None]]]) -> Recording:
    recording, task = running.pop(0)
    task.result()
    return recording
