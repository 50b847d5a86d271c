"""What the catalogue knows of meetings, to be compared with a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.catalogue.rows import columns_of, read_row
from receiver.records import Host, KnownMeeting, KnownRecording, Meeting, MeetingId, RecordingId, State, Via
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from datetime import datetime

_PAGE_MEETINGS = 100
_OF_RECORDING = ("id", "state", "file_uid", "updated_at", "first_seen_via", "first_seen_at")


class KnownMeetings:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def meeting(self, meeting_id: MeetingId) -> KnownMeeting:
        """Return a meeting with its recordings; without any where the catalogue has none."""
        wanted = (*_OF_RECORDING, *columns_of(Meeting), *columns_of(Host))
        query = sa.select(*(recordings.c[name] for name in wanted)).where(recordings.c.meeting_id == meeting_id)
        query = query.order_by(recordings.c.first_seen_at, recordings.c.id)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        if not rows:
            return KnownMeeting(meeting=Meeting(id=meeting_id), host=Host())
        return KnownMeeting(
            meeting=read_row(Meeting, rows[-1]),
            host=read_row(Host, rows[-1]),
            recordings=tuple(
                KnownRecording(
                    id=RecordingId(row.id),
                    state=State(row.state),
                    file_uid=row.file_uid,
                    updated_at=row.updated_at,
                    first_seen_via=Via(row.first_seen_via),
                    first_seen_at=row.first_seen_at,
                )
                for row in rows
            ),
        )

    async def meetings(self, *, since: datetime, after: MeetingId | None) -> list[MeetingId]:
        """Return a page of the meetings that began, or were recorded, or first heard of `since` then, sorted by id."""
        recent = sa.or_(
            recordings.c.created_at >= since,
            recordings.c.first_seen_at >= since,
            recordings.c.meeting_start_at >= since,
        )
        query = (
            sa.select(recordings.c.meeting_id)
            .where(recent, recordings.c.meeting_id > (after or ""))
            .distinct()
            .order_by(recordings.c.meeting_id)
            .limit(_PAGE_MEETINGS)
        )
        found = await self._database.read(lambda tx: tx.execute(query).scalars().all())
        return list(map(MeetingId, found))
