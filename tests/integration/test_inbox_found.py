"""What a listing names takes a delivery's way in: a row and a job once, and nothing that a delivery said is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Filters
from receiver.inbox import Inbox
from receiver.jobs import open_jobs
from receiver.records import Host, Meeting, MeetingId, RecordingFacts, RecordingId, State, VendorFacts, Via
from receiver.tables import Database, recordings
from tests.support.clock import NOW
from tests.support.databases import ON_POSTGRESQL
from tests.support.intake import accept
from tests.support.payloads import payload

LATER = NOW + timedelta(hours=1)
MEETING = Meeting(id=MeetingId("meeting-1"), name="Listed")


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, open_jobs(database, concurrency=1), keep_urls=False)


def facts(*ids: str) -> list[RecordingFacts]:
    return [
        RecordingFacts(
            id=RecordingId(name),
            meeting=MEETING,
            host=Host(id=7),
            vendor=VendorFacts(participant_ids=(7,), updated_at=LATER, duration_s=2.0),
        )
        for name in ids
    ]


async def found(inbox: Inbox, *ids: str, via: Via = Via.RECONCILE) -> frozenset[str]:
    return await inbox.accept_found(facts(*ids), via=via, now=LATER)


async def put(database: Database, recording_id: str, state: State) -> None:
    await database.write(
        lambda tx: tx.execute(
            sa.update(recordings).where(recordings.c.id == recording_id).values(state=state, attempts=3)
        )
    )


@pytest.mark.parametrize("via", [Via.RECONCILE, Via.BACKFILL])
async def test_the_unknown_are_added_once_with_what_the_listing_says(
    database: Database, inbox: Inbox, via: Via
) -> None:
    assert await found(inbox, "b", "a", via=via) == {"a", "b"}
    assert await found(inbox, "a", "b", "c", via=via) == {"c"}
    row = await Catalogue(database).recording(RecordingId("a"))
    assert (row.state, row.first_seen_via, row.first_seen_at, row.vendor.created_at) == (
        State.PENDING,
        via,
        LATER,
        LATER,
    )
    assert (row.meeting, row.host) == (MEETING, Host(id=7))
    assert (row.vendor.participant_ids, row.vendor.duration_s) == ((7,), 2.0)
    assert (await Catalogue(database).deliveries()).items == ()


@pytest.mark.parametrize("state", State)
async def test_a_known_one_keeps_its_facts_and_all_but_a_missing_one_its_state(
    database: Database, inbox: Inbox, state: State
) -> None:
    await accept(inbox, payload("a"), now=NOW)
    await put(database, "a", state)
    before = await Catalogue(database).recording(RecordingId("a"))
    assert await found(inbox, "a") == frozenset()
    after = await Catalogue(database).recording(RecordingId("a"))
    if state is State.MISSING:
        assert (after.state, after.attempts, after.next_attempt_at) == (State.PENDING, 0, LATER)
    else:
        assert after == before
    kept = ("meeting", "host", "vendor", "first_seen_via", "first_seen_at")
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}


async def test_listings_and_deliveries_at_once_make_one_row_a_recording(database: Database, inbox: Inbox) -> None:
    names = [f"r{number}" for number in range(20)]
    ways = [found(inbox, *names[::-1]), accept(inbox, payload(*names), now=NOW), found(inbox, *names)]
    first, _, second = await asyncio.gather(*ways)
    assert not first & second
    rows = (await Catalogue(database).page(Filters(), limit=1000)).items
    assert sorted(row.id for row in rows) == sorted(names)
    assert {row.id for row in rows if row.first_seen_via is Via.RECONCILE} == first | second


@ON_POSTGRESQL  # on SQLite the rows are the jobs
async def test_the_jobs_are_part_of_the_transaction(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a"), now=NOW)
    await put(database, "a", State.MISSING)
    await database.write(lambda tx: tx.execute(sa.text("DELETE FROM pgqueuer")))
    await found(inbox, "a", "b")
    jobs = await database.read(
        lambda tx: (tx.execute(sa.text("SELECT dedupe_key FROM pgqueuer ORDER BY 1"))).scalars().all()
    )
    assert jobs == ["a", "b"]
