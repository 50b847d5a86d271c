"""Which meetings a walk looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from receiver.catalogue import Catalogue
from receiver.records import RecordingId, Tally
from receiver.tables import Database
from tests.support.reconciling import KEY, USER, ago, ids, old_file, reconciled, reconciling, states, take_in
from tests.support.service import control, make_meeting


@pytest.mark.parametrize(
    ("created", "start", "updated", "seen"),
    [
        (2, 2, 2, True),
        (40, 2, 40, True),  # planned long ago
        (40, 40, 2, True),  # a room that was switched to recording
        (40, 40, 40, False),
    ],
)
async def test_the_window_is_of_any_of_the_meetings_times(
    sandbox, database: Database, created: int, start: int, updated: int, seen: bool
) -> None:
    start_date = int((datetime.now(UTC) - timedelta(days=start)).timestamp())
    times = {"created_at": ago(days=created), "start_date": start_date, "updated_at": ago(days=updated)}
    await make_meeting(sandbox, old_file(), **times)
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == (Tally(meetings=1, recordings=1, found=1) if seen else Tally())


async def test_a_meeting_that_begins_in_milliseconds_is_of_the_window(sandbox, database: Database) -> None:
    began_ms = int((datetime.now(UTC) - timedelta(days=2)).timestamp() * 1000)
    times = {"created_at": ago(days=40), "start_date": began_ms, "updated_at": ago(days=40)}
    made = await make_meeting(sandbox, old_file(), **times)
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == Tally(meetings=1, recordings=1, found=1)
    found = await Catalogue(database).recording(RecordingId(made["recordings"][0]["_id"]))
    assert found.meeting.start_date is not None
    assert found.meeting.start_date.timestamp() * 1000 == began_ms


async def test_meetings_that_only_the_catalogue_knows_are_asked_for(sandbox, database: Database) -> None:
    """With an administration key there is no listing of meetings."""
    made = await make_meeting(sandbox, old_file(), host_id=77, attendees=[{"id": 78}], created_at=ago(days=100))
    await take_in(database, made)
    again = await make_meeting(sandbox, old_file())
    await control(sandbox, "POST", "/meetings", {"_id": made["meeting"]["_id"], "recordings": [old_file()]})
    async with reconciling(database, sandbox, KEY) as over:
        assert await reconciled(over) == Tally(meetings=1, recordings=2, found=1)
    (new,) = (await states(database)).keys() - ids(made)
    assert new not in ids(again)
    row = await Catalogue(database).recording(RecordingId(new))
    assert row.meeting.name == made["meeting"]["name"]
    assert (row.host.id, row.host.login) == (77, made["payload"]["hostUser"]["login"])


async def test_a_meeting_that_may_not_be_listed_stops_no_other(sandbox, database: Database) -> None:
    foreign = await make_meeting(sandbox, old_file(), host_id=77, attendees=[{"id": 78}])
    await take_in(database, foreign)
    await make_meeting(sandbox, old_file())
    async with reconciling(database, sandbox, USER) as over:
        tally = await reconciled(over)
    assert tally == Tally(meetings=2, recordings=1, found=1, unreadable=1)
    assert not tally.is_good
