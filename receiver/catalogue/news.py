"""What deliveries and listings say of a recording, and what of it changes the recording's row. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from receiver.catalogue.rows import read_row, write_row
from receiver.lifecycle import CLAIMABLE, reopened_by
from receiver.records import Host, Meeting, MeetingId, RecordingFacts, RecordingId, State, Via, is_another_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import sqlalchemy as sa

_AHEAD = timedelta(days=1)
"""By how much a sender's clock may be ahead: what a recording is said to have seen later than that does not count."""
_KEPT = frozenset({State.ARCHIVED, State.ERASED})
"""States in which nothing that is said of a recording changes its row."""


@dataclass(slots=True)
class News:
    """What a batch says of one recording, each delivery after the other, or a listing; `named` by meeting."""

    latest: RecordingFacts
    at: datetime
    via: Via
    named: dict[MeetingId, RecordingFacts] = field(default_factory=dict)
    is_again: bool = False
    """Told before: it may revive a known recording, and changes nothing else of it."""


@dataclass(slots=True)
class Changes:
    """What a batch did to recordings: which need `work` (sorted), and the state of each afterwards.

    `replaced` were known by another file until now, so an object that a run noted but did not record is not of this
    one; of those `hinted` the API has said more, so they are told of the file alone, which has it asked anew.
    The attendees of the `invited` take the place of those that the row has.
    `unfetched` are archived and were named with another file, which changes nothing. `candidates` are rows of meetings
    that were named for a recording beside the one its row has.
    """

    new: list[RecordingId] = field(default_factory=list)
    refreshed: list[RecordingFacts] = field(default_factory=list)
    replaced: list[RecordingId] = field(default_factory=list)
    hinted: list[RecordingFacts] = field(default_factory=list)
    invited: list[RecordingFacts] = field(default_factory=list)
    unfetched: list[RecordingId] = field(default_factory=list)
    reopened: list[RecordingId] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    work: list[RecordingId] = field(default_factory=list)
    states: dict[RecordingId, State] = field(default_factory=dict)


def gather(deliveries: Iterable[tuple[datetime, Iterable[RecordingFacts]]]) -> dict[RecordingId, News]:
    """Fold the deliveries' facts into one piece of news a recording, sorted by id: the newest facts win."""
    news: dict[RecordingId, News] = {}
    for at, facts in deliveries:
        for fact in (_believed(fact, at) for fact in facts):
            known = news.setdefault(fact.id, News(latest=fact, at=at, via=Via.WEBHOOK))
            known.named.setdefault(fact.meeting.id, fact)
            if _is_newer(fact, known.latest.vendor.updated_at):
                known.latest = fact
    return dict(sorted(news.items()))


def _believed(fact: RecordingFacts, at: datetime) -> RecordingFacts:
    """Drop the times that a recording cannot have yet: with one of 2999 a delivery would be the newest for ever."""
    created_at, updated_at = _no_later(fact.vendor.created_at, at), _no_later(fact.vendor.updated_at, at)
    if (created_at, updated_at) == (fact.vendor.created_at, fact.vendor.updated_at):
        return fact
    return replace(fact, vendor=replace(fact.vendor, created_at=created_at, updated_at=updated_at))


def _no_later(time: datetime | None, at: datetime) -> datetime | None:
    return None if time is None or time > at + _AHEAD else time


def _is_newer(fact: RecordingFacts, than: datetime | None) -> bool:
    updated_at = fact.vendor.updated_at
    return than is None or (updated_at is not None and updated_at >= than)


def compare_delivery(changes: Changes, row: sa.Row[Any], one: News, *, is_hint: bool) -> None:
    """Compare a row with what deliveries say; `is_hint` where the API has said more, so that they say where to look."""
    state, reopened = State(row.state), reopened_by(one.via)
    is_newer = not one.is_again and _is_newer(one.latest, _no_later(row.updated_at, one.at))
    is_another = is_newer and is_another_file(one.latest.vendor, row)
    changes.states[row.id] = State.PENDING if state in reopened else state
    if state in _KEPT:
        if is_another and state is State.ARCHIVED:
            changes.unfetched.append(row.id)
        return
    is_taken = is_newer and state in CLAIMABLE | reopened
    if is_taken and is_another:
        changes.replaced.append(row.id)
    if is_taken and not is_hint:
        changes.refreshed.append(one.latest)
        _invite(changes, row, one.latest)
    elif is_taken and is_another:
        changes.hinted.append(one.latest)
    if is_taken and is_hint and one.latest.attendees is not None and one.latest.meeting.id == row.meeting_id:
        changes.invited.append(one.latest)  # the API says nothing of them
    if not is_hint:
        changes.candidates += other_meetings(row.id, one.latest.meeting.id if is_taken else row.meeting_id, one, row)
    if state in reopened:
        changes.reopened.append(row.id)


def compare_listing(changes: Changes, row: sa.Row[Any], one: News) -> None:
    """Compare a row with a listing of the API, whose word on the meeting is the last one.

    Under a run the row stays as it is, and a later run asks there.
    """
    state, is_moved = State(row.state), row.meeting_id != one.latest.meeting.id and row.state not in _KEPT
    reopened = reopened_by(one.via, moved=is_moved)
    changes.states[row.id] = State.PENDING if state in reopened else state
    if is_moved and state is State.ARCHIVING:
        changes.candidates.append(_candidate(row.id, one.latest.meeting, one.latest.host))
    elif is_moved:
        changes.refreshed.append(one.latest)
        _invite(changes, row, one.latest)
        if is_another_file(one.latest.vendor, row):
            changes.replaced.append(row.id)
    if state in reopened:
        changes.reopened.append(row.id)


def _invite(changes: Changes, row: sa.Row[Any], latest: RecordingFacts) -> None:
    """Let attendees go with their meeting; of the same one they stay where nothing is said of them."""
    if latest.attendees is not None or latest.meeting.id != row.meeting_id:
        changes.invited.append(latest)


def other_meetings(
    recording_id: RecordingId, meeting_id: MeetingId, news: News, row: sa.Row[Any] | None = None
) -> list[dict[str, Any]]:
    """Return rows of the meetings named for a recording, by deliveries or its own row, but for `meeting_id`."""
    if news.named.keys() <= {meeting_id} and (row is None or row.meeting_id == meeting_id):
        return []  # as ever, but for forged or odd deliveries
    named: Mapping[MeetingId, tuple[Meeting, Host]] = {
        key: (fact.meeting, fact.host) for key, fact in news.named.items()
    }
    if row is not None:
        named = {row.meeting_id: (read_row(Meeting, row), read_row(Host, row)), **named}
    return [_candidate(recording_id, *said) for key, said in sorted(named.items()) if key != meeting_id]


def _candidate(recording_id: RecordingId, meeting: Meeting, host: Host) -> dict[str, Any]:
    return {"recording_id": recording_id} | write_row(meeting) | write_row(host)
