"""What `receiver audit` does: all objects, a sample, or some by name. A walk over all is gone on with after a kill."""

from __future__ import annotations

import math
import random
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver.errors import StoreUnavailableError
from receiver.fixity.audit import tell
from receiver.fixity.repair import outcome
from receiver.records import AuditTally, Fixity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from receiver.catalogue import BucketWalks, FixityIndex
    from receiver.errors import StoreError
    from receiver.fixity.audit import Audit
    from receiver.fixity.repair import Repair
    from receiver.records import Actor, Recording, RecordingId, Verdict

KEPT_FOR = timedelta(days=7)
"""How long a walk is remembered that nobody went on with."""
_NOTE_EVERY = timedelta(seconds=1)
_AGAIN_AFTER = timedelta(hours=1)
_BEFORE = StoreUnavailableError("it could not be read before the audit was killed")


@dataclass(slots=True, kw_only=True)
class AuditWalk:
    """`by` is who asked for it; `on_verdict` hears of each object, and what became of a `repair`."""

    audit: Audit
    index: FixityIndex
    walks: BucketWalks
    clock: Callable[[], datetime]
    by: Actor
    on_verdict: Callable[[Verdict, str | None, AuditTally], None]
    repair: Repair | None = None
    tally: AuditTally = field(default_factory=AuditTally)
    _noted: dict[RecordingId, tuple[Verdict, bool, str | None]] = field(default_factory=dict, init=False)
    _aside: dict[RecordingId, StoreError] = field(default_factory=dict, init=False)

    async def everything(self, name: str = "audit") -> bool:
        """Read all; tell whether an earlier walk of this name was gone on with.

        Raises `StoreError` where the store was away for too long: run again, it goes on there.
        """
        begun = await self.walks.begun(name, now=self.clock(), kept_for=KEPT_FOR)
        place = ""
        if begun is not None:
            place, counted = begun
            self.tally = AuditTally(**counted)
            self._aside = dict.fromkeys(await self.index.unread(upto=place), _BEFORE)
        noted_at = self.clock()
        async with aclosing(self.index.archived(after=place)) as recordings:
            async for recording in self.audit.all_of(recordings, self._found, self._unread):
                self._count(recording.id)
                if self.clock() - noted_at >= _NOTE_EVERY:
                    noted_at = self.clock()
                    await self.walks.note(name, recording.id, asdict(self.tally), now=noted_at)
        await self._judge()
        await self.walks.end(name)
        return begun is not None

    async def old(self, older_than: datetime) -> None:
        """Read all that were not proven since then. Killed and run again, it has those left that it did not read."""
        async with aclosing(self.index.archived(older_than=older_than)) as recordings:
            await self._all_of(recordings)

    async def sample(self, share: float, *, older_than: datetime | None = None) -> None:
        """Read a share (0 to 1) of them, chosen by chance, and at least one where there is any."""
        count = await self.index.count(older_than=older_than)
        async with aclosing(self.index.archived(older_than=older_than)) as recordings:
            await self._all_of(_chosen(recordings, count, math.ceil(count * share)))

    async def named(self, ids: Sequence[RecordingId]) -> None:
        """Read these; raises `NotFoundError`. What is not archived has no object to read."""
        await self._all_of(self.index.each(ids))

    async def _all_of(self, recordings: AsyncIterator[Recording]) -> None:
        async for recording in self.audit.all_of(recordings, self._found, self._unread):
            self._count(recording.id)
        await self._judge()

    async def _judge(self) -> None:
        async def found(verdict: Verdict) -> None:
            await self._found(verdict)
            self._count(verdict.recording.id)

        await self.audit.judge(self._aside, found)

    async def _found(self, verdict: Verdict) -> None:
        if await self.index.note(verdict, by=self.by, now=self.clock(), next_at=None):
            tell(verdict)
            repaired: tuple[bool, str | None] = (False, None)
            if self.repair is not None and verdict.fixity is not Fixity.INTACT:
                repaired = await outcome(self.repair, verdict, by=self.by)
            self._noted[verdict.recording.id] = verdict, *repaired

    def _count(self, recording_id: RecordingId) -> None:
        """Count what was found of an object once those before it are: a walk that is gone on with counts each once."""
        if (noted := self._noted.pop(recording_id, None)) is not None:
            verdict, is_repaired, told = noted
            self.tally.count(verdict)
            self.tally.repaired += is_repaired
            self.on_verdict(verdict, told, self.tally)

    async def _unread(self, recording: Recording, error: StoreError) -> None:
        now = self.clock()
        await self.index.note_unread(recording, now=now, next_at=now + _AGAIN_AFTER)
        self._aside[recording.id] = error


async def _chosen(recordings: AsyncIterator[Recording], count: int, wanted: int) -> AsyncIterator[Recording]:
    """Yield `wanted` of `count`, each as likely as any other (selection sampling: TAOCP 3.4.2, algorithm S)."""
    async for recording in recordings:
        if random.random() * count < wanted:  # noqa: S311  (nothing secret hangs on it)
            wanted -= 1
            yield recording
        count -= 1
