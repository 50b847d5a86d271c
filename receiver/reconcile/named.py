"""Meetings that a delivery named without all of their records are asked for: at once, and again after a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import NamedMeetings
    from receiver.reconcile.reconciler import Reconciler

_AT_ONCE = 64
_PAUSE = timedelta(minutes=1)
"""For all that are due, where the API is away or refuses the credentials."""
_log = logs.get("reconcile")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMeetingsAsker:
    """Takes what the API lists of them as a backfill does."""

    meetings: NamedMeetings
    reconciler: Reconciler
    clock: Callable[[], datetime]

    async def ask(self) -> None:
        """Ask for the meetings that are due; raises `JobError` where the API answers for none."""
        began = self.clock()
        due = await self.meetings.due(now=began, most=_AT_ONCE)
        if not due:
            return
        try:
            tally = await self.reconciler.backfill(due, dry_run=False, on_progress=lambda _: None)
        except JobError:
            await self.meetings.postpone(due, until=self.clock() + _PAUSE)
            raise
        await self.meetings.asked(due, began=began)
        _log.info("named_meetings_asked", meetings=tally.meetings, found=tally.found, unreadable=tally.unreadable)
