"""What the catalogue knows of meetings, to be compared with a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.rows import columns_of, read_row
from receiver.records import Host, KnownMeeting, KnownRecording, Meeting, MeetingId, RecordingId, State, Via
from receiver.tables import Database, candidate_meetings, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_PAGE_MEETINGS = 100
_MOST_NAMES = 500
"""Ids asked for in one query; drivers bound the parameters of a statement."""
_OF_RECORDING = ("id", "meeting_id", "state", "file_uid", "updated_at", "first_seen_via", "first_seen_at")


class KnownMeetings:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def meeting(self, meeting_id: MeetingId) -> KnownMeeting:
        """Return a meeting with its recordings; without any where the catalogue has none.

        Its names are those of a recording that the API has listed, where there is one: what a delivery says of a
        recording that does not exist says nothing of the meeting.
        """
        wanted = dict.fromkeys((*_OF_RECORDING, "listed_at", *columns_of(Meeting), *columns_of(Host)))
        query = sa.select(*(recordings.c[name] for name in wanted)).where(recordings.c.meeting_id == meeting_id)
        query = query.order_by(recordings.c.first_seen_at, recordings.c.id)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        if not rows:
            return KnownMeeting(meeting=Meeting(id=meeting_id), host=Host())
        is_real = [row for row in rows if row.listed_at is not None or row.state == State.ARCHIVED]
        best = (is_real or rows)[-1]
        return KnownMeeting(
            meeting=read_row(Meeting, best), host=read_row(Host, best), recordings=tuple(map(_known, rows))
        )

    async def recordings(self, ids: Sequence[RecordingId]) -> list[KnownRecording]:
        """Return those of these recordings that the catalogue has, whatever their meeting."""

        def read(tx: sa.Connection) -> list[KnownRecording]:
            columns = [recordings.c[name] for name in _OF_RECORDING]
            pieces = [ids[start : start + _MOST_NAMES] for start in range(0, len(ids), _MOST_NAMES)]
            return [
                _known(row)
                for piece in pieces
                for row in tx.execute(sa.select(*columns).where(recordings.c.id.in_(piece)))
            ]

        return await self._database.read(read)

    async def meetings(self, *, since: datetime, after: MeetingId | None) -> list[MeetingId]:
        """Return a page of the meetings that began, or were recorded, or first heard of `since` then, sorted by id.

        Meetings that deliveries named for a recording which the API has not listed yet are among them.
        """
        recent = sa.or_(
            recordings.c.created_at >= since,
            recordings.c.first_seen_at >= since,
            recordings.c.meeting_start_at >= since,
        )
        named = sa.select(candidate_meetings.c.meeting_id).join(
            recordings, sa.and_(recordings.c.id == candidate_meetings.c.recording_id, recordings.c.listed_at.is_(None))
        )
        pages = [
            query.where(recent, column > (after or "")).distinct().order_by(column).limit(_PAGE_MEETINGS)
            for query, column in (
                (sa.select(recordings.c.meeting_id), recordings.c.meeting_id),
                (named, candidate_meetings.c.meeting_id),
            )
        ]
        found = await self._database.read(lambda tx: {key for page in pages for key in tx.execute(page).scalars()})
        return [MeetingId(key) for key in sorted(found)[:_PAGE_MEETINGS]]


def _known(row: sa.Row[Any]) -> KnownRecording:
    return KnownRecording(
        id=RecordingId(row.id),
        meeting_id=MeetingId(row.meeting_id),
        state=State(row.state),
        file_uid=row.file_uid,
        updated_at=row.updated_at,
        first_seen_via=Via(row.first_seen_via),
        first_seen_at=row.first_seen_at,
    )
