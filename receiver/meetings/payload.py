"""Parses the webhook's recording-done payload: what is demanded, what is tolerated, what is made of it.

Demanded are the ids; everything else "may be null, missing, or joined by unknown ones" (vendor-facts, "Shape conflicts
to tolerate"), so nonsense in an advisory field drops that field and never the recording. A record without a usable id
is rejected alone, beside the good ones.

Whoever knows the secret can send a megabyte of anything, so what is made of a body is bounded, and what is counted is
counted cheaply: only the first rejected records are explained.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from receiver.errors import UnreadableError
from receiver.meetings import fields
from receiver.meetings.payload_models import PayloadBody, RecordBody, explain
from receiver.records import (
    Attendee,
    Host,
    Meeting,
    MeetingId,
    Parsed,
    RecordingFacts,
    RecordingId,
    RejectedRecord,
    is_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_RECORDS = 20_000
"""Taken from one webhook; a replay takes the others too. With every field that the page shows, 1 MB holds 1,500."""
MAX_EXPLAINED = 20
"""Rejected records that are named and explained; the others are counted."""
MAX_MEETINGS_ASKED = 100
"""Of one webhook, as long as `MAX_RECORDS` holds."""
_MAX_PEOPLE = 20_000
"""Participants, and attendees as well, of all recordings of a body together."""
_REPLAY = "`receiver deliveries replay` takes them"


class NotJsonError(UnreadableError):
    """The body is not JSON."""


class NotRecordingDoneError(UnreadableError):
    """The body is JSON but not a recording-done payload."""


def parse(body: bytes, *, bounded: bool = True) -> Parsed:
    """Read a body. `rejected` counts records over the whole body, from 0. A replay is not `bounded` in their number.

    Raises `NotJsonError`, or `NotRecordingDoneError` when no record at all can be used but some should have been.
    """
    document = read_json(body)
    reading = _Reading(bounded=bounded)
    index = 0
    for delivery in _deliveries(document, reading):
        meeting, host = _described(delivery)
        invited = delivery.meeting.attendees
        before = reading.left_out
        for record in delivery.records:
            reading.take(record, index, meeting, host, invited)
            index += 1
        if not delivery.records or reading.left_out > before:
            reading.ask_for(meeting.id)
    if reading.left_out and not reading.recordings:
        raise reading.refusal(("no record of callRecords can be used",))
    return Parsed(
        recordings=tuple(reading.recordings.values()),
        rejected=reading.rejected(),
        rejected_count=reading.left_out,
        ask=tuple(reading.ask),
    )


class _Reading:
    """What was read of a body so far."""

    def __init__(self, *, bounded: bool) -> None:
        self._most_records = MAX_RECORDS if bounded else math.inf
        self._most_asked = MAX_MEETINGS_ASKED if bounded else math.inf
        self._not_asked: set[MeetingId] = set()
        self._participants_left = self._attendees_left = _MAX_PEOPLE
        self._explained: list[RejectedRecord] = []
        self._unusable = 0
        self._beyond = 0
        self._first_beyond = 0
        self.recordings: dict[RecordingId, RecordingFacts] = {}
        self.ask: dict[MeetingId, None] = {}

    @property
    def left_out(self) -> int:
        """How many records, or objects of an array, were not taken."""
        return self._unusable + self._beyond

    @property
    def explains(self) -> bool:
        """Tell whether the next rejected record is to be explained."""
        return len(self._explained) < MAX_EXPLAINED

    def reject(self, index: int, errors: tuple[str, ...]) -> None:
        self._unusable += 1
        if self.explains:
            self._explained.append(RejectedRecord(index=index, errors=errors))

    def ask_for(self, meeting_id: MeetingId) -> None:
        if meeting_id in self.ask or len(self.ask) < self._most_asked:
            self.ask[meeting_id] = None
        else:
            self._not_asked.add(meeting_id)

    def take(self, record: Any, index: int, meeting: Meeting, host: Host, invited: tuple[Attendee, ...] | None) -> None:
        ids = _ids(record)
        if ids is None:
            self.reject(index, _record_errors(record, index) if self.explains else ())
            return
        recording_id, room_id = ids
        known = self.recordings.get(recording_id)
        if known is None and len(self.recordings) >= self._most_records:
            self._first_beyond = self._first_beyond if self._beyond else index
            self._beyond += 1
            return
        vendor = fields.vendor_facts(record, most_participants=self._participants_left)
        self._participants_left -= len(vendor.participant_ids)
        if room_id not in (None, meeting.id):
            # the record belongs to another meeting than the one described beside it
            meeting, host, invited = Meeting(id=MeetingId(room_id or "")), Host(), None
        if invited is not None:
            invited = invited[: self._attendees_left]
            self._attendees_left -= len(invited)
        facts = RecordingFacts(
            id=recording_id,
            meeting=meeting,
            host=host,
            vendor=vendor,
            attendees=invited,
            payload_url=fields.url(record.get("download_url")),
        )
        self.recordings[recording_id] = facts if known is None else _newer(known, facts)

    def rejected(self) -> tuple[RejectedRecord, ...]:
        """Return the records that are explained, and what is to be said of the others."""
        told = list(self._explained)
        if others := self._unusable - len(told):
            what = f"{others} more cannot be used either; the first {len(told)} are explained"
            told.append(RejectedRecord(index=told[-1].index + 1, errors=(what,)))
        if self._beyond:
            what = (
                f"from here on {self._beyond} records were not taken, since one delivery brings at most {MAX_RECORDS}"
            )
            told.append(RejectedRecord(index=self._first_beyond, errors=(f"{what}; {_REPLAY}",)))
        if self._not_asked:
            what = f"{len(self._not_asked)} meetings without records were not asked for beyond {MAX_MEETINGS_ASKED}"
            told.append(RejectedRecord(index=0, errors=(f"{what}; {_REPLAY}",)))
        return tuple(told)

    def refusal(self, errors: tuple[str, ...]) -> NotRecordingDoneError:
        return NotRecordingDoneError(
            errors[:MAX_EXPLAINED], self.rejected(), rejected_count=self.left_out, ask=tuple(self.ask)
        )


def read_json(body: bytes) -> Any:
    """Read a body, also what is JSON but for what senders do to it; raises `NotJsonError`."""
    # The standard parser lets NaN, huge numbers and lone surrogates through on purpose: the field rules decide on
    # them one by one, where a strict parser would lose the whole delivery.
    try:
        try:
            return json.loads(body)
        except ValueError:  # includes UnicodeDecodeError and integers of thousands of digits
            return _repaired(body)
    except RecursionError as e:
        raise NotJsonError(("the body nests deeper than any recording-done payload does",)) from e
    except ValueError as e:
        reason = re.sub(r"[^\x20-\x7e]", "?", str(e))[:200]
        raise NotJsonError((f"the body is not JSON: {reason}",)) from e


def _repaired(body: bytes) -> Any:
    """Read what is JSON but for bytes of another encoding, byte order marks, or control characters.

    No repair makes another id of one: what is put in its place is in no id.
    """
    text = body.decode("utf-8", "replace").replace("\ufeff", " ").strip("\0 \t\r\n")
    return json.loads(text, strict=False)


def _deliveries(document: Any, reading: _Reading) -> Iterator[PayloadBody]:
    """Yield the usable objects of the body; unusable ones beside usable ones are rejected alone."""
    items = document if isinstance(document, list) else [document]
    if not items:
        raise NotRecordingDoneError(("the body is an empty array; it should hold meeting, hostUser and callRecords",))
    usable: list[PayloadBody] = []
    problems: list[str] = []
    for position, item in enumerate(items):
        if not (reading.explains or _may_be_usable(item)):
            reading.reject(position, ())
            continue
        try:
            usable.append(PayloadBody.model_validate(item))
        except ValidationError as e:
            found = explain(e, f"[{position}]" if isinstance(document, list) else "")
            problems += found
            reading.reject(position, found)
            if (meeting_id := _meeting_id(item)) is not None:
                reading.ask_for(meeting_id)
    if not usable:
        raise NotRecordingDoneError(tuple(problems)[:MAX_EXPLAINED], ask=tuple(reading.ask))
    yield from usable


def _may_be_usable(item: Any) -> bool:
    return _meeting_id(item) is not None and isinstance(item.get("callRecords"), list)


def _meeting_id(item: Any) -> MeetingId | None:
    meeting = item.get("meeting") if isinstance(item, dict) else None
    found = meeting.get("_id") if isinstance(meeting, dict) else None
    return MeetingId(found) if is_id(found) else None


def _ids(record: Any) -> tuple[RecordingId, str | None] | None:
    """Return a record's ids where it is as `RecordBody` demands, at a hundredth of its price."""
    if not isinstance(record, dict):
        return None
    recording_id, room_id = record.get("_id"), record.get("room_id")
    if not is_id(recording_id) or not (room_id is None or is_id(room_id)):
        return None
    return RecordingId(recording_id), room_id


def _record_errors(record: Any, index: int) -> tuple[str, ...]:
    try:
        RecordBody.model_validate(record)
    except ValidationError as e:
        return explain(e, f"callRecords[{index}]")
    raise AssertionError("`_ids` and `RecordBody` disagree")  # pragma: no cover


def _described(delivery: PayloadBody) -> tuple[Meeting, Host]:
    meeting, host = delivery.meeting, delivery.host
    return (
        Meeting(id=MeetingId(meeting.id), name=meeting.name, start_date=meeting.start_date, end_date=meeting.end_date),
        Host(
            id=host.id if host.id is not None else meeting.host_id,
            name=host.full_name,
            login=host.login,
            email=host.email,
        ),
    )


def _newer(old: RecordingFacts, new: RecordingFacts) -> RecordingFacts:
    if old.vendor.updated_at is None or new.vendor.updated_at is None:
        return new
    return new if new.vendor.updated_at >= old.vendor.updated_at else old
