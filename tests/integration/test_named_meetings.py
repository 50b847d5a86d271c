"""A meeting that a delivery names without its records is asked for: durably, at once, and again after a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import NamedMeetings
from receiver.catalogue.named_meetings import ASKED_AGAIN_AFTER
from receiver.errors import ApiPausedError, ApiUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import UnreadableError, parse
from receiver.reconcile import NamedMeetingsAsker
from receiver.records import MeetingId, State
from receiver.tables import Database, named_meetings
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.reconciling import KEY, ids, old_file, reconciling, states
from tests.support.service import make_meeting


def _inbox(database: Database, *, keep_urls: bool = False) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=keep_urls)


async def _asked(database: Database) -> dict[str, int]:
    query = sa.select(named_meetings.c.meeting_id, named_meetings.c.asked)
    return {row.meeting_id: row.asked for row in await database.read(lambda tx: tx.execute(query).all())}


async def test_its_recordings_are_found(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, old_file(), old_file())
    meeting_id = made["meeting"]["_id"]
    accepted = await accept(_inbox(database), payload(meeting_id=meeting_id), now=utc_now())
    assert accepted.recordings == ()
    async with reconciling(database, sandbox, KEY) as over:
        asker = NamedMeetingsAsker(meetings=NamedMeetings(database), reconciler=over, clock=utc_now)
        await asker.ask()
        assert await states(database) == dict.fromkeys(ids(made), State.PENDING)
        assert await _asked(database) == {meeting_id: 1}
        await asker.ask()  # not before its time
        assert await _asked(database) == {meeting_id: 1}


async def test_an_api_that_is_away_is_asked_later_and_nothing_counted(database: Database) -> None:
    await accept(_inbox(database), payload(meeting_id="m"), now=NOW)
    async with reconciling(database, "http://127.0.0.1:1", KEY) as over:
        asker = NamedMeetingsAsker(meetings=NamedMeetings(database), reconciler=over, clock=lambda: NOW)
        with pytest.raises((ApiUnavailableError, ApiPausedError)):  # the latter where it took so long to be refused
            await asker.ask()
    assert await _asked(database) == {"m": 0}
    named = NamedMeetings(database)
    assert await named.due(now=NOW + timedelta(seconds=59), most=9) == []
    assert await named.due(now=NOW + timedelta(seconds=60), most=9) == ["m"]


async def test_it_is_asked_for_rarer_and_then_forgotten(database: Database) -> None:
    await accept(_inbox(database), payload(meeting_id="m"), now=NOW)
    named, now = NamedMeetings(database), NOW
    for pause in ASKED_AGAIN_AFTER:
        assert await named.due(now=now, most=9) == ["m"]
        await named.asked([MeetingId("m")], began=now)
        assert await named.due(now=now + pause - timedelta(seconds=1), most=9) == []
        now += pause
    await named.asked([MeetingId("m")], began=now)
    assert await _asked(database) == {}


async def test_one_that_is_named_while_it_is_asked_for_is_asked_for_again(database: Database) -> None:
    body = payload(meeting_id="m")
    await accept(_inbox(database), body, now=NOW)
    await accept(_inbox(database), body, now=NOW + timedelta(seconds=1))
    named = NamedMeetings(database)
    await named.asked([MeetingId("m")], began=NOW)
    assert await named.due(now=NOW + timedelta(seconds=1), most=9) == ["m"]


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (payload("good"), []),
        (payload("good", "b/a/d", meeting_id="m"), ["m"]),
        (payload("b/a/d", meeting_id="m"), ["m"]),
        (b'{"meeting": {"_id": "m"}, "callRecords": null}', ["m"]),
    ],
    ids=["whole", "a bad record", "no good record", "no list"],
)
async def test_which_meetings_are_asked_for(database: Database, body: bytes, asked: list[str]) -> None:
    inbox = _inbox(database)
    try:
        await inbox.accept(body, parse(body), now=NOW)
    except UnreadableError as e:
        await inbox.keep_unreadable(body, e, now=NOW)
    assert sorted(await _asked(database)) == asked


async def test_without_credentials_nothing_is_noted(database: Database) -> None:
    await accept(_inbox(database, keep_urls=True), payload(meeting_id="m"), now=NOW)
    assert await _asked(database) == {}
