"""What a run writes of the API's word on its recording: the facts, and which meetings it was asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.rows import read_row, write_facts, write_participants
from receiver.records import Host, KnownMeeting, Meeting, MeetingId, RecordingFacts, RecordingId, is_another_file
from receiver.tables import named_meetings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.records import Claim, Recording

_LATELY = timedelta(hours=1)


def listed_values(row: Recording, facts: RecordingFacts, *, now: datetime) -> dict[str, Any]:
    """Return the values of the row's columns once the API has confirmed `facts`.

    An object that a run noted but did not record is not of another file than the row named.
    """
    values = write_facts(facts) | {"created_at": facts.vendor.created_at or row.first_seen_at, "listed_at": now}
    return values | {"size_bytes": None, "checksum": None} if is_another_file(facts.vendor, row.vendor) else values


def write_listed(tx: sa.Connection, facts: RecordingFacts) -> None:
    """Replace the participants, and forget the meetings that were named beside the true one."""
    tx.execute(sa.delete(participants).where(participants.c.recording_id == facts.id))
    write_participants(tx, [facts])
    tx.execute(sa.delete(named_meetings).where(named_meetings.c.recording_id == facts.id))


def load_named(
    tx: sa.Connection, recording_id: RecordingId, *, most: int, now: datetime
) -> tuple[list[KnownMeeting], bool]:
    """Return meetings that deliveries named beside the row's, those never asked for first, then the longest ago.

    And whether beyond these there are some that were not asked for lately.
    """
    c = named_meetings.c
    query = sa.select(named_meetings).where(c.recording_id == recording_id)
    rows = tx.execute(query.order_by(c.asked_at.is_not(None), c.asked_at, c.meeting_id).limit(most + 1)).all()
    is_more = any(row.asked_at is None or row.asked_at < now - _LATELY for row in rows[most:])
    return [KnownMeeting(meeting=read_row(Meeting, row), host=read_row(Host, row)) for row in rows[:most]], is_more


def was_named_anew(tx: sa.Connection, claim: Claim) -> bool:
    """Tell whether a delivery has named a meeting that no run has asked for; none can until this transaction ends."""
    tx.execute(sa.select(recordings.c.id).where(recordings.c.id == claim.recording.id).with_for_update())
    c = named_meetings.c
    unasked = sa.select(c.meeting_id).where(c.recording_id == claim.recording.id, c.asked_at.is_(None)).limit(1)
    return tx.execute(unasked).first() is not None


def note_asked(tx: sa.Connection, recording_id: RecordingId, meeting_ids: Sequence[MeetingId], now: datetime) -> None:
    """Note that the API was asked for these meetings."""
    c = named_meetings.c
    asked = sa.update(named_meetings).where(c.recording_id == recording_id, c.meeting_id.in_(meeting_ids))
    tx.execute(asked.values(asked_at=now))
