"""Meetings that a delivery named without all of their records: when the API is to be asked for them, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.records import MeetingId
from receiver.tables import Database, named_meetings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

ASKED_AGAIN_AFTER = (timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=3), timedelta(days=1))
"""The time before: a listing may know a recording later than the webhook speaks of it."""


class NamedMeetings:
    """What is noted here is on disk before the call returns; intake adds the meetings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, *, now: datetime, most: int) -> list[MeetingId]:
        """Return meetings to be asked for by now, the longest due first."""
        c = named_meetings.c
        query = sa.select(c.meeting_id).where(c.ask_at <= now).order_by(c.ask_at, c.meeting_id).limit(most)
        found = await self._database.read(lambda tx: tx.execute(query).scalars().all())
        return list(map(MeetingId, found))

    async def postpone(self, meeting_ids: Sequence[MeetingId], *, until: datetime) -> None:
        """Ask for these later, without counting."""
        change = sa.update(named_meetings).where(named_meetings.c.meeting_id.in_(meeting_ids)).values(ask_at=until)
        await self._database.write(lambda tx: tx.execute(change))

    async def asked(self, meeting_ids: Sequence[MeetingId], *, began: datetime) -> None:
        """Count that these were asked for since `began`, and forget those that were often enough.

        One that a delivery named meanwhile is asked for again, as it is told to.
        """
        c = named_meetings.c
        query = sa.select(c.meeting_id, c.asked).where(c.meeting_id.in_(meeting_ids), c.ask_at <= began)

        def note(tx: sa.Connection) -> None:
            for row in tx.execute(query.order_by(c.meeting_id).with_for_update()).all():
                this = c.meeting_id == row.meeting_id
                if row.asked >= len(ASKED_AGAIN_AFTER):
                    tx.execute(sa.delete(named_meetings).where(this))
                else:
                    ask_at = began + ASKED_AGAIN_AFTER[row.asked]
                    tx.execute(sa.update(named_meetings).where(this).values(asked=row.asked + 1, ask_at=ask_at))

        await self._database.write(note)
