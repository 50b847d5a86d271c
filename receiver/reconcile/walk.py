"""The walk over all meetings: those that the API lists for the user, then those that only the catalogue knows.

The order of the listing is undocumented, and so is what `offset` means while meetings come and go: no place in it is
remembered: what is remembered is which meetings were done. A walk that was killed lists from the start, passes over
those, and a round that finds nothing left to do ends it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from receiver.errors import ApiPausedError, ApiUnavailableError
from receiver.meetings import MeetingTime
from receiver.reconcile.bounded_gather import AT_ONCE, each
from receiver.reconcile.patience import RepeatedRequest
from receiver.records import Host, ListedMeeting, Meeting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import datetime

    from receiver.meetings import MeetingsPage
    from receiver.reconcile.checking import Checker
    from receiver.reconcile.progress import Progress
    from receiver.records import Tally

_MOST_ROUNDS = 3
"""One over all, one for what was too recent in it, one that finds nothing; enough where new meetings never cease."""


class MeetingsWalker:
    """Walks once. `on_progress` hears the tally after every meeting; `dropped` are entries that name no meeting."""

    def __init__(
        self, checker: Checker, progress: Progress, *, since: datetime, on_progress: Callable[[Tally], None]
    ) -> None:
        self._checker = checker
        self._progress = progress
        self._since = since
        self._on_progress = on_progress
        self._again_at: list[datetime] = []
        self.dropped = 0

    async def walk(self) -> None:
        """Check every meeting of the window; returns when none is left, or raises and may be called again."""
        for _ in range(_MOST_ROUNDS):
            before = self._progress.tally.meetings
            self._again_at.clear()
            self.dropped = 0
            async with aclosing(self._meetings()) as meetings:
                await each(meetings, self._check, at_once=AT_ONCE)
            if self._again_at:
                await asyncio.sleep((max(self._again_at) - self._checker.clock()).total_seconds())
            elif self._progress.tally.meetings == before:
                return

    async def _check(self, meeting: ListedMeeting) -> None:
        checked = await self._checker.check(meeting)
        if checked.look_again_at is not None:
            self._again_at.append(checked.look_again_at)
            self._progress.leave(meeting.meeting.id)
            return
        await self._progress.note(meeting.meeting.id, checked.tally)
        self._on_progress(self._progress.tally)

    async def _meetings(self) -> AsyncGenerator[ListedMeeting]:
        for by in MeetingTime if self._checker.api.lists_meetings else ():
            async with aclosing(self._pages(by)) as pages:
                async for page in pages:
                    self.dropped += page.dropped
                    for one in await self._progress.undone(
                        one for one in page.meetings if _in_window(one, self._since)
                    ):
                        yield one
        after = None
        while ids := await self._checker.known.meetings(since=self._since, after=after):
            known = (ListedMeeting(meeting=Meeting(id=meeting_id), host=Host()) for meeting_id in ids)
            for one in await self._progress.undone(known):
                yield one
            after = ids[-1]

    async def _pages(self, by: MeetingTime) -> AsyncGenerator[MeetingsPage]:
        offset, request = 0, RepeatedRequest(self._checker.patience)
        while True:
            try:
                async for page in self._checker.api.meetings(by, self._since, offset=offset):
                    self._checker.patience.answered()
                    yield page
                    offset, request = offset + page.entries, RepeatedRequest(self._checker.patience)
            except (ApiPausedError, ApiUnavailableError) as e:
                if not await request.again(e):
                    raise
            else:
                return


def _in_window(one: ListedMeeting, since: datetime) -> bool:
    """Look again at what the API was asked to filter by; a meeting of no known time is of any."""
    times = [time for time in (one.created_at, one.updated_at, one.meeting.start_date) if time is not None]
    return not times or max(times) >= since
