"""Which meetings a reconciliation has done and what it counted: in the database, or nowhere for a dry run."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from receiver.errors import StorageUnavailableError, WalkTakenError
from receiver.records import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime

    from receiver.catalogue import Walks
    from receiver.records import ListedMeeting, MeetingId, Walk

_BATCH_MEETINGS = 8
"""Noted in one transaction: what a kill costs to look at again, and what a commit's price is shared by."""
_BEAT_S = 2.0


class Progress(Protocol):
    """A meeting is handed out once by `undone`, until it is `noted` or `left`."""

    tally: Tally

    async def undone(self, meetings: Iterable[ListedMeeting]) -> list[ListedMeeting]:
        """Return the meetings that are neither done nor handed out, each once."""

    async def note(self, meeting_id: MeetingId, tally: Tally) -> None:
        """Count a meeting, which is done with it."""

    def leave(self, meeting_id: MeetingId) -> None:
        """Let the meeting be handed out again."""


class UnstoredProgress:
    """Keeps the ids in memory, about 100 bytes a meeting: for a dry run, and for meetings that somebody named."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._seen: set[MeetingId] = set()

    async def undone(self, meetings: Iterable[ListedMeeting]) -> list[ListedMeeting]:
        return _new(meetings, self._seen)

    async def note(self, meeting_id: MeetingId, tally: Tally) -> None:  # noqa: ARG002
        self.tally += tally

    def leave(self, meeting_id: MeetingId) -> None:
        self._seen.discard(meeting_id)


class StoredProgress:
    """Notes meetings a few at a time, each batch with the tally that counts them, so that a kill counts none twice."""

    def __init__(self, walks: Walks, walk: Walk, clock: Callable[[], datetime]) -> None:
        self.tally = walk.tally
        self._walks = walks
        self._walk = walk
        self._clock = clock
        self._under_way: set[MeetingId] = set()
        self._unwritten: list[MeetingId] = []
        self._writing = asyncio.Lock()

    async def undone(self, meetings: Iterable[ListedMeeting]) -> list[ListedMeeting]:
        here = list(meetings)
        # what is on its way to the disk is in the one or in the other
        known = frozenset(self._under_way)
        known |= await self._walks.done(self._walk, [one.meeting.id for one in here])
        return _new((one for one in here if one.meeting.id not in known), self._under_way)

    async def note(self, meeting_id: MeetingId, tally: Tally) -> None:
        self.tally += tally
        self._unwritten.append(meeting_id)
        if len(self._unwritten) >= _BATCH_MEETINGS and not self._writing.locked():
            await self.write()

    def leave(self, meeting_id: MeetingId) -> None:
        self._under_way.discard(meeting_id)

    async def write(self) -> None:
        """Put on disk what was noted, and that this process lives; raises `WalkTakenError`."""
        async with self._writing:
            # a write that is cut off leaves them, or the next would count meetings that nothing says are done
            ids = self._unwritten.copy()
            await self._walks.note(self._walk, ids, self.tally, now=self._clock())
            del self._unwritten[: len(ids)]
            self._under_way.difference_update(ids)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the walk for the block; afterwards it is over, or where the block raised, free for another process."""
        beating = asyncio.create_task(self._beat(), name="walk")
        try:
            yield
            await self.write()
            await self._walks.end(self._walk, now=self._clock())
        except (WalkTakenError, StorageUnavailableError):
            raise
        except BaseException:
            with contextlib.suppress(WalkTakenError, StorageUnavailableError):
                await self.write()
                await self._walks.leave(self._walk, now=self._clock())
            raise
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """Say now and then that this process lives. Where it cannot, the next write says why."""
        with contextlib.suppress(WalkTakenError, StorageUnavailableError):
            while True:
                await asyncio.sleep(_BEAT_S)
                await self.write()


def _new(meetings: Iterable[ListedMeeting], seen: set[MeetingId]) -> list[ListedMeeting]:
    """Return the meetings that were not seen, which they are now."""
    new = {one.meeting.id: one for one in meetings if one.meeting.id not in seen}
    seen.update(new)
    return list(new.values())
