"""The readings whose time has come: what the schedule does, once for all processes."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.fixity.audit import Audit, tell, unreadable
from receiver.records import Actor, Fixity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from receiver.catalogue import FixityIndex
    from receiver.errors import StoreError
    from receiver.records import Recording, Verdict

_BY = Actor("audit")
UNREADABLE_AFTER = timedelta(hours=6)
"""An object that has failed for so long, each time while the store gave out others, is damaged."""
_AGAIN_AFTER = timedelta(hours=1)
_UNSOUND_AFTER = timedelta(days=1)
"""What was found wanting is looked at again each day: it may have been put right by another hand."""
_log = logs.get("fixity")


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReadings:
    """`every` is how long an object may go unread. Each has a time of its own, so the reading is spread evenly."""

    audit: Audit
    index: FixityIndex
    every: timedelta
    clock: Callable[[], datetime]

    async def read(self) -> None:
        """Read all that is due. Raises `StoreError` where the store is away: then what is left stays due.

        Killed, it leaves what it has not read due, for the next process.
        """
        await self.index.spread(every=self.every, now=self.clock())
        while page := await self.index.due(now=self.clock()):
            done = self.audit.all_of(_each(page), self._found, self._unread)
            async with aclosing(done):  # type: ignore[type-var]
                async for _ in done:
                    pass

    async def _found(self, verdict: Verdict) -> None:
        now = self.clock()
        is_sound = verdict.fixity is Fixity.INTACT
        next_at = now + (self.every * 0.95 if is_sound else min(_UNSOUND_AFTER, self.every))
        before = verdict.recording.fixity
        if is_sound or before is not verdict.fixity:  # the log has each finding once
            await self.index.note(verdict, by=_BY, now=now, next_at=next_at)
            tell(verdict)
        else:
            await self.index.put_off(verdict.recording, next_at=next_at)

    async def _unread(self, recording: Recording, error: StoreError) -> None:
        now = self.clock()
        since = await self.index.unread_since(recording)
        if since is not None and now - since >= UNREADABLE_AFTER:
            await self._found(unreadable(recording, error))
        else:
            await self.index.note_unread(recording, now=now, next_at=now + _AGAIN_AFTER)


async def _each(recordings: list[Recording]) -> AsyncIterator[Recording]:
    for recording in recordings:
        yield recording
