"""What a delivery may change of a row: much while nobody knows better, nothing once the API has said what is true."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Interventions, KnownMeetings, Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.records import (
    Claim,
    Failure,
    Host,
    Meeting,
    MeetingId,
    NotedObject,
    Recording,
    RecordingFacts,
    RecordingId,
    State,
    UrlOrigin,
    VendorFacts,
)
from receiver.tables import Database, candidate_meetings, recordings
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload

A = RecordingId("a")
FAR = "2999-01-01T00:00:00Z"
TRUE = RecordingFacts(
    id=A,
    meeting=Meeting(id=MeetingId("true"), name="True"),
    host=Host(id=3),
    vendor=VendorFacts(participant_ids=(5, 4), file_uid="f", created_at=NOW - timedelta(days=1), updated_at=NOW),
)


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def _claimed(database: Database) -> Claim:
    claim = await Runs(database).claim(A, now=NOW)
    assert claim is not None
    return claim


async def _row(database: Database) -> Recording:
    return await Catalogue(database).recording(A)


async def _named(database: Database) -> list[str]:
    query = sa.select(candidate_meetings.c.meeting_id).order_by(candidate_meetings.c.meeting_id)
    return await database.read(lambda tx: list(tx.execute(query).scalars()))


@pytest.mark.parametrize("keep_urls", [True, False], ids=["without credentials", "with credentials"])
async def test_a_time_beyond_tomorrow_does_not_count(database: Database, keep_urls: bool) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=keep_urls)
    await accept(inbox, payload("a", meeting_id="false", created_at=FAR, updated_at=FAR), now=NOW)
    row = await _row(database)
    assert (row.vendor.created_at, row.vendor.updated_at) == (NOW, None)
    soon = (NOW + timedelta(hours=23)).isoformat()
    await accept(inbox, payload("a", meeting_id="true", updated_at=soon), now=NOW)
    await accept(inbox, payload("a", meeting_id="false", updated_at=FAR), now=NOW)
    row = await _row(database)
    assert (row.meeting.id, row.vendor.updated_at) == ("true", NOW + timedelta(hours=23))


async def test_a_time_beyond_tomorrow_that_an_older_release_stored_does_not_count(
    database: Database, inbox: Inbox
) -> None:
    await accept(inbox, payload("a", meeting_id="false"), now=NOW)
    far = sa.update(recordings).values(updated_at=NOW.replace(year=2999))
    await database.write(lambda tx: tx.execute(far))
    await accept(inbox, payload("a", meeting_id="true"), now=NOW)
    assert (await _row(database)).meeting.id == "true"


@pytest.mark.parametrize("together", [True, False])
async def test_every_meeting_that_was_named_is_kept_until_the_api_has_said_which(
    database: Database, inbox: Inbox, together: bool
) -> None:
    older = (NOW - timedelta(days=9)).isoformat()
    bodies = [
        payload("a", meeting_id="m1"),
        payload("a", meeting_id="m2"),
        payload("a", meeting_id="m3", updated_at=older),
    ]
    if together:
        body = b"[" + b",".join(bodies) + b"]"
        await accept(inbox, body, now=NOW)  # of one delivery the newest facts alone count
        bodies = [bodies[0], bodies[2]]
    for body in bodies:
        await accept(inbox, body, now=NOW)
    row = await _row(database)
    assert sorted([row.meeting.id, *await _named(database)]) == ["m1", "m2", "m3"]
    claim = await Runs(database).listed.confirm(await _claimed(database), TRUE, now=NOW)
    assert (claim.recording.meeting, claim.recording.host, claim.recording.vendor) == (
        TRUE.meeting,
        TRUE.host,
        TRUE.vendor,
    )
    assert await _named(database) == []
    await accept(inbox, payload("a", meeting_id="m4", updated_at=NOW.isoformat(), file_uid="f", duration=3), now=NOW)
    assert replace(await _row(database), state=claim.recording.state) == claim.recording
    assert await _named(database) == []


async def test_a_delivery_may_say_that_the_file_is_another_one_so_that_the_api_is_asked_anew(
    database: Database, inbox: Inbox
) -> None:
    await accept(inbox, payload("a"), now=NOW)
    runs, later = Runs(database), NOW + timedelta(minutes=1)
    claim = await runs.listed.confirm(await _claimed(database), TRUE, now=NOW)
    await runs.note_object(claim, NotedObject(key="k", size_bytes=1, checksum="crc64nvme:x"), None, UrlOrigin.API)
    await runs.hand_back(claim, now=NOW)
    await accept(inbox, payload("a", file_uid="g", updated_at=later.isoformat(), duration=3), now=NOW)
    again = await _claimed(database)
    assert (again.noted, again.is_listed) == (None, True)
    file = {"file_uid": "g", "updated_at": later}
    assert again.recording.vendor == replace(TRUE.vendor, **file)
    assert (again.recording.meeting, again.recording.host) == (TRUE.meeting, TRUE.host)


async def test_without_credentials_a_delivery_goes_on_to_count(database: Database, inbox: Inbox) -> None:
    """The credentials were taken away again."""
    await accept(inbox, payload("a"), now=NOW)
    claim = await Runs(database).listed.confirm(await _claimed(database), TRUE, now=NOW)
    await Runs(database).hand_back(claim, now=NOW)
    without = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    await accept(without, payload("a", meeting_id="m", updated_at=NOW.isoformat()), now=NOW)
    assert (await _row(database)).meeting.id == "m"
    assert not (await _claimed(database)).is_listed


@pytest.mark.parametrize(("file_uid", "known"), [("f", True), ("g", False)])
async def test_an_object_of_another_file_than_the_listed_one_is_not_taken_for_it(
    database: Database, inbox: Inbox, file_uid: str, known: bool
) -> None:
    await accept(inbox, payload("a", file_uid=file_uid, updated_at=NOW.isoformat()), now=NOW)
    runs, noted = Runs(database), NotedObject(key="k.mp4", size_bytes=1, checksum="crc64nvme:x")
    claim = await _claimed(database)
    await runs.note_object(claim, noted, None, UrlOrigin.API)
    claim = await _claimed(database)
    confirmed = await runs.listed.confirm(claim, TRUE, now=NOW)
    assert (claim.noted, confirmed.noted) == (noted, noted if known else None)
    assert (await _claimed(database)).noted == confirmed.noted


async def test_a_cancelled_recording_remembers_the_meetings_that_were_named_for_it(
    database: Database, inbox: Inbox
) -> None:
    await accept(inbox, payload("a", meeting_id="false"), now=NOW)
    await Interventions(database).cancel(A)
    await accept(inbox, payload("a", meeting_id="true"), now=NOW)
    row = await _row(database)
    assert (row.state, row.meeting.id, await _named(database)) == (State.CANCELLED, "false", ["true"])


async def test_meetings_are_asked_for_in_turn(database: Database, inbox: Inbox) -> None:
    for n in range(6):
        await accept(inbox, payload("a", meeting_id=f"m{n}"), now=NOW)
    runs, claim = Runs(database), await _claimed(database)

    async def turn(now=NOW):
        named, is_more = await runs.listed.other_meetings(claim, most=2, now=now)
        ids = [one.meeting.id for one in named]
        await runs.listed.note_asked(claim, ids, now=now)
        return ids, is_more

    assert claim.recording.meeting.id == "m5"
    turns = [await turn(), await turn(), await turn(NOW + timedelta(seconds=1)), await turn(NOW + timedelta(hours=2))]
    assert turns == [(["m0", "m1"], True), (["m2", "m3"], True), (["m4", "m0"], False), (["m1", "m2"], True)]


@pytest.mark.parametrize("state", [State.MISSING, State.FAILED])
async def test_a_meeting_that_is_named_under_a_run_is_asked_for_before_the_recording_is_given_up(
    database: Database, inbox: Inbox, state: State
) -> None:
    await accept(inbox, payload("a", meeting_id="false"), now=NOW)
    runs, failure = Runs(database), Failure(code="x", message="y", at=NOW)
    end = Decision(state=state, attempts=8, next_attempt_at=None)
    again = Decision(state=State.WAITING, attempts=0, next_attempt_at=NOW)
    for n in range(2):
        claim = await _claimed(database)
        await accept(inbox, payload("a", meeting_id=f"true{n}"), now=NOW)
        assert await runs.settle(claim, end, failure, unless_named=True) == again
        assert (await _row(database)).state is State.WAITING
    claim = await _claimed(database)
    await runs.listed.note_asked(claim, [MeetingId(name) for name in ("false", "true0")], now=NOW)
    assert await runs.settle(claim, end, failure, unless_named=True) == end
    assert (await _row(database)).state is state


async def test_what_fails_otherwise_is_given_up_whatever_was_named(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a", meeting_id="false"), now=NOW)
    claim = await _claimed(database)
    await accept(inbox, payload("a", meeting_id="true"), now=NOW)
    end = Decision(state=State.FAILED, attempts=1, next_attempt_at=None)
    assert await Runs(database).settle(claim, end, Failure(code="x", message="y", at=NOW)) == end


async def test_a_recording_that_does_not_exist_says_nothing_of_its_meeting(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a", meeting_id="true"), now=NOW)
    await Runs(database).listed.confirm(await _claimed(database), TRUE, now=NOW)
    await accept(inbox, payload("forged", meeting_id="true"), now=NOW + timedelta(seconds=1))
    known = await KnownMeetings(database).meeting(MeetingId("true"))
    assert (known.meeting, known.host, len(known.recordings)) == (TRUE.meeting, TRUE.host, 2)


async def test_the_meetings_named_for_what_is_unresolved_are_known(database: Database, inbox: Inbox) -> None:
    for meeting_id in ("m1", "m2", "m0"):
        await accept(inbox, payload("a", meeting_id=meeting_id), now=NOW)
    known = KnownMeetings(database)
    assert await known.meetings(since=NOW - timedelta(days=1), after=None) == ["m0", "m1", "m2"]
    assert await known.meetings(since=NOW - timedelta(days=1), after=MeetingId("m0")) == ["m1", "m2"]
    assert await known.meetings(since=NOW + timedelta(days=1), after=None) == []
    await Runs(database).listed.confirm(await _claimed(database), TRUE, now=NOW)
    assert await known.meetings(since=NOW - timedelta(days=1), after=None) == ["true"]
