"""What can be asked for: a reconciliation over a window, or a backfill of meetings that somebody names."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.reconcile.bounded_gather import AT_ONCE, each
from receiver.reconcile.checking import Checker
from receiver.reconcile.difference import GRACE
from receiver.reconcile.patience import Patience
from receiver.reconcile.progress import StoredProgress, UnstoredProgress
from receiver.reconcile.walk import MeetingsWalker
from receiver.records import Host, ListedMeeting, Meeting, Tally, Via

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from datetime import datetime

    from receiver.catalogue import KnownMeetings, Walks
    from receiver.meetings import MeetingsApi
    from receiver.reconcile.checking import Accept
    from receiver.reconcile.progress import Progress
    from receiver.records import MeetingId, RecordingFacts, RecordingId, Walk

    OnProgress = Callable[[Tally], None]

_LOOK_AGAIN_S = 0.5
_log = logs.get("reconcile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a reconciliation over the meetings since `since` saw, with what it had seen before it was killed."""

    since: datetime
    is_resumed: bool
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """`accept` stores recordings with their jobs, as intake does, and returns the new ones.

    Of a recording younger than `grace` the webhook may be under way: it is no gap yet. Every question raises `JobError`
    where the API refuses the credentials or is away for long, and may then be asked again.
    """

    api: MeetingsApi
    known: KnownMeetings
    walks: Walks
    accept: Accept
    clock: Callable[[], datetime]
    grace: timedelta = GRACE

    async def reconcile(
        self, name: str, *, since: datetime, wait: bool, on_progress: OnProgress
    ) -> Reconciliation | None:
        """Walk over the window, or go on with the walk of this name that was killed.

        While another process is at it: None, or with `wait`, the same once that one has ended.
        """
        walk = await self._taken(name, since, wait=wait)
        if walk is None:
            _log.info("reconciliation_skipped", reason="another process is at it")
            return None
        _log.info("reconciliation_began", since=str(walk.since), resumed=walk.is_resumed)
        progress = StoredProgress(self.walks, walk, self.clock)
        async with progress.held():
            tally = await self._walk(progress, self.accept, walk.since, walk.began_at, on_progress)
        _log.info("reconciliation_ended", **asdict(tally))
        return Reconciliation(since=walk.since, is_resumed=walk.is_resumed, tally=tally)

    async def look(self, *, since: datetime, on_progress: OnProgress) -> Reconciliation:
        """Walk over the window and write nothing; `found` and `reopened` are what `reconcile` would take."""
        tally = await self._walk(UnstoredProgress(), _take_nothing, since, self.clock(), on_progress)
        return Reconciliation(since=since, is_resumed=False, tally=tally)

    async def backfill(self, meeting_ids: Iterable[MeetingId], *, dry_run: bool, on_progress: OnProgress) -> Tally:
        """Take what the catalogue lacks of these meetings, however new; an id that the API does not know is unreadable.

        Asked again, it finds nothing that it had found before, so one that was killed is just begun anew.
        """
        accept = _take_nothing if dry_run else self.accept
        checker = self._checker(Via.BACKFILL, accept, None, timedelta(0))
        progress = UnstoredProgress()

        async def check(meeting: ListedMeeting) -> None:
            await progress.note(meeting.meeting.id, (await checker.check(meeting)).tally)
            on_progress(progress.tally)

        await each(_named(meeting_ids, progress), check, at_once=AT_ONCE)
        return progress.tally

    async def _taken(self, name: str, since: datetime, *, wait: bool) -> Walk | None:
        while True:
            walk = await self.walks.take(name, since=since, now=self.clock())
            if walk is not None or not wait:
                return walk
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _walk(
        self, progress: Progress, accept: Accept, since: datetime, began_at: datetime, on_progress: OnProgress
    ) -> Tally:
        checker = self._checker(Via.RECONCILE, accept, began_at, self.grace)
        walker = MeetingsWalker(checker, progress, since=since, on_progress=on_progress)
        await walker.walk()
        return progress.tally + Tally(unreadable=walker.dropped)

    def _checker(self, via: Via, accept: Accept, began_at: datetime | None, grace: timedelta) -> Checker:
        return Checker(
            api=self.api,
            known=self.known,
            accept=accept,
            patience=Patience(),
            clock=self.clock,
            via=via,
            began_at=began_at,
            grace=grace,
        )


async def _named(meeting_ids: Iterable[MeetingId], progress: Progress) -> AsyncIterator[ListedMeeting]:
    """Yield each meeting once, however often it is named."""
    ids = iter(meeting_ids)
    # in a thread, since the ids may be typed or piped in more slowly than they are asked for
    while (meeting_id := await asyncio.to_thread(next, ids, None)) is not None:
        for meeting in await progress.undone([ListedMeeting(meeting=Meeting(id=meeting_id), host=Host())]):
            yield meeting


async def _take_nothing(facts: Sequence[RecordingFacts], _via: Via) -> frozenset[RecordingId]:
    return frozenset(fact.id for fact in facts)
