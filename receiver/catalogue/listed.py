"""What a run writes of the API's word on its recording: the facts, and which meetings it was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.erased_persons import ErasedPersons
from receiver.catalogue.holds import any_may_come, mark
from receiver.catalogue.indexing import reindex
from receiver.catalogue.rows import one_recording, read_row, write_facts, write_participants
from receiver.catalogue.states import note, write_held
from receiver.records import Host, KnownMeeting, Meeting, RecordingFacts, is_another_file
from receiver.tables import attendees, candidate_meetings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.records import Claim, MeetingId, Recording
    from receiver.tables import Database

_LATELY = timedelta(hours=1)


class ListedRows:
    """Rows as the API's listings have them; what is written here is durable before the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._persons = ErasedPersons()

    async def confirm(self, claim: Claim, facts: RecordingFacts, *, now: datetime) -> Claim:
        """Record what the API lists in place of all that deliveries say; raises `FenceLostError`."""

        def write(tx: sa.Connection) -> Claim:
            may_be_held = any_may_come(tx)
            said = facts if self._persons.are_none(tx) else self._persons.stripped(facts)
            values = _listed_values(claim.recording, said, now=now)
            write_held(tx, claim, note(claim, values), keep_parts=True)
            tx.execute(sa.delete(participants).where(participants.c.recording_id == facts.id))
            write_participants(tx, [said])
            if facts.meeting.id != claim.recording.meeting.id:  # they were invited to another one
                tx.execute(sa.delete(attendees).where(attendees.c.recording_id == facts.id))
            reindex(tx, [facts.id])
            if may_be_held:
                mark(tx, [facts.id], at=now)
            # the meetings that were named beside the true one have been answered
            tx.execute(sa.delete(candidate_meetings).where(candidate_meetings.c.recording_id == facts.id))
            noted = None if "checksum" in values else claim.noted
            return replace(claim, recording=one_recording(tx, claim.recording.id), noted=noted, is_listed=True)

        return await self._database.write(write)

    async def other_meetings(self, claim: Claim, *, most: int, now: datetime) -> tuple[list[KnownMeeting], bool]:
        """Return meetings that were named beside the row's, those never asked for first, then the longest ago.

        And whether beyond these there are some that were not asked for lately.
        """
        c = candidate_meetings.c
        query = sa.select(candidate_meetings).where(c.recording_id == claim.recording.id)
        query = query.order_by(c.asked_at.is_not(None), c.asked_at, c.meeting_id).limit(most + 1)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        is_more = any(row.asked_at is None or row.asked_at < now - _LATELY for row in rows[most:])
        return [KnownMeeting(meeting=read_row(Meeting, row), host=read_row(Host, row)) for row in rows[:most]], is_more

    async def note_asked(self, claim: Claim, meeting_ids: Sequence[MeetingId], *, now: datetime) -> None:
        """Note that the API was asked for these in vain."""
        c = candidate_meetings.c
        asked = sa.update(candidate_meetings).where(c.recording_id == claim.recording.id, c.meeting_id.in_(meeting_ids))
        await self._database.write(lambda tx: tx.execute(asked.values(asked_at=now)))


def was_named_anew(tx: sa.Connection, claim: Claim) -> bool:
    """Tell whether a delivery has named a meeting that no run has asked for; none can until this transaction ends."""
    tx.execute(sa.select(recordings.c.id).where(recordings.c.id == claim.recording.id).with_for_update())
    c = candidate_meetings.c
    unasked = sa.select(c.meeting_id).where(c.recording_id == claim.recording.id, c.asked_at.is_(None)).limit(1)
    return tx.execute(unasked).first() is not None


def _listed_values(row: Recording, facts: RecordingFacts, *, now: datetime) -> dict[str, Any]:
    """Return the values of the row's columns once the API has confirmed `facts`.

    An object that a run noted but did not record is not of another file than the row named.
    """
    values = write_facts(facts) | {"created_at": facts.vendor.created_at or row.first_seen_at, "listed_at": now}
    return values | {"size_bytes": None, "checksum": None} if is_another_file(facts.vendor, row.vendor) else values
