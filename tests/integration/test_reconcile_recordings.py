"""What a walk finds of recordings on the platform and in the index: what it takes in, leaves alone, and tells."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import Catalogue, Filters
from receiver.records import RecordingId, State, Tally
from receiver.tables import Database, deliveries, recordings
from tests.support.reconciling import (
    KEY,
    USER,
    ago,
    archive,
    ids,
    ignore,
    old_file,
    put,
    reconciled,
    reconciling,
    states,
    take_in,
)
from tests.support.service import control, make_meeting, set_fault


async def test_what_no_webhook_brought_is_taken_in_once(sandbox, database: Database) -> None:
    made = [
        await make_meeting(
            sandbox, old_file(participants_ids=[5, 6]), old_file(), name=f"Weekly {n}", created_at=ago(days=2)
        )
        for n in range(3)
    ]
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == Tally(meetings=3, recordings=6, found=6)
        assert await reconciled(over) == Tally(meetings=3, recordings=6)
    assert await states(database) == dict.fromkeys(ids(*made), State.PENDING)
    found = await Catalogue(database).recording(RecordingId(made[0]["recordings"][0]["_id"]))
    assert (found.first_seen_via, found.attempts, found.error) == ("reconcile", 0, None)
    assert (found.meeting.id, found.meeting.name) == (made[0]["meeting"]["_id"], "Weekly 0")
    assert found.meeting.start_date is not None
    assert found.meeting.start_date.timestamp() == made[0]["meeting"]["start_date"]
    assert (found.host.id, found.vendor.participant_ids) == (sandbox.config.user_id, (5, 6))
    assert found.vendor.created_at == datetime.fromisoformat(made[0]["payload"]["callRecords"][0]["created_at"])
    assert await Catalogue(database).missed_webhooks() == 6

    def change(tx):
        assert (tx.execute(sa.select(deliveries))).all() == []

    await database.read(change)


async def test_a_webhook_that_comes_later_is_harmless_and_says_more(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, old_file())
    async with reconciling(database, sandbox) as over:
        await reconciled(over)
        await take_in(database, made)
        assert await reconciled(over) == Tally(meetings=1, recordings=1)
    (item,) = (await Catalogue(database).page(Filters())).items
    assert (item.state, item.first_seen_via) == (State.PENDING, "reconcile")
    assert item.host.login == made["payload"]["hostUser"]["login"]
    assert item.vendor.file_uid == made["recordings"][0]["file_uid"]


async def test_every_state_but_missing_is_left_as_it_is(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, *[old_file()] * len(State))
    await take_in(database, made)
    for one, state in zip(made["recordings"], State, strict=True):
        await put(database, one["_id"], state)
    before = await states(database)
    async with reconciling(database, sandbox) as over:
        tally = await reconciled(over)
    assert tally == Tally(meetings=1, recordings=len(State), reopened=1)
    after = await states(database)
    assert {before[one]: state for one, state in after.items() if state != before[one]} == {
        State.MISSING: State.PENDING
    }
    reopened = next(one for one in before if before[one] is State.MISSING)
    row = await Catalogue(database).recording(RecordingId(reopened))
    assert (row.attempts, row.host.login) == (0, made["payload"]["hostUser"]["login"])
    assert await Catalogue(database).missed_webhooks() == 0


async def test_gaps_are_told(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, *[old_file() for _ in range(6)])
    gone, lost, given_up, changed, refreshed, kept = [one["_id"] for one in made["recordings"]]
    await take_in(database, made)
    for recording_id in (gone, changed, refreshed, kept):
        await archive(database, recording_id)
    await put(database, given_up, State.FAILED)
    for recording_id in (gone, lost, given_up):
        await control(sandbox, "DELETE", f"/recordings/{recording_id}")

    def change(tx):
        other = sa.update(recordings)
        tx.execute(other.where(recordings.c.id == changed).values(file_uid="another"))
        earlier = utc_now() - timedelta(days=1)
        tx.execute(other.where(recordings.c.id == refreshed).values(updated_at=earlier))

    await database.write(change)
    before = await states(database)
    async with reconciling(database, sandbox, KEY) as over:
        tally = await reconciled(over)
    assert tally == Tally(meetings=1, recordings=3, gone=2, lost=1, changed=2)
    assert not tally.is_good
    assert await states(database) == before
    async with reconciling(database, sandbox, USER) as over:  # whose listing has no file_uid
        assert (await reconciled(over)).changed == 1


async def test_a_meeting_that_was_deleted_leaves_its_recordings_gone(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, old_file(), old_file())
    await take_in(database, made)
    await archive(database, made["recordings"][0]["_id"])
    await control(sandbox, "DELETE", f"/recordings/{made['recordings'][0]['_id']}")
    await control(sandbox, "DELETE", f"/recordings/{made['recordings'][1]['_id']}")
    await set_fault(sandbox, on="api", kind="status", status=404, match="/recordings/")
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == Tally(meetings=1, gone=2, lost=1)


async def test_a_recording_whose_webhook_is_under_way_is_no_gap(sandbox, database: Database) -> None:
    """It is looked at again when its time is over: one webhook came meanwhile, the other never does."""
    made = await make_meeting(sandbox, old_file(), {**old_file(), "created_at": ago(seconds=0)})
    late = await make_meeting(sandbox, {**old_file(), "created_at": ago(seconds=0)})

    async def webhook() -> None:
        while not await states(database):  # the older one, found in the first round
            await asyncio.sleep(0.01)
        await take_in(database, late)

    async with reconciling(database, sandbox, grace_s=3) as over:
        tally, _ = await asyncio.gather(reconciled(over), webhook())
    assert tally == Tally(meetings=2, recordings=3, found=2)
    via = {item.id: item.first_seen_via for item in (await Catalogue(database).page(Filters())).items}
    assert via == dict.fromkeys(ids(made), "reconcile") | dict.fromkeys(ids(late), "webhook")


async def test_a_time_in_the_future_or_none_at_all_is_not_waited_for(sandbox, database: Database) -> None:
    await make_meeting(sandbox, old_file(created_at=ago(hours=-5)))
    async with reconciling(database, sandbox) as over:
        assert (await reconciled(over)).found == 1


async def test_a_dry_run_writes_nothing(sandbox, database: Database) -> None:
    known = await make_meeting(sandbox, old_file(), old_file())
    await take_in(database, known)
    await put(database, known["recordings"][0]["_id"], State.MISSING)
    await make_meeting(sandbox, old_file())
    before = await states(database)
    async with reconciling(database, sandbox) as over:
        since = datetime.now(UTC) - timedelta(days=30)
        report = await over.look(since=since, on_progress=ignore)
        assert report.tally == Tally(meetings=2, recordings=3, found=1, reopened=1)
        assert await states(database) == before

        def change(tx):
            assert (tx.execute(sa.text("SELECT count(*) FROM reconciliations"))).scalar_one() == 0

        await database.read(change)
        assert (await reconciled(over)).found == 1


async def lie(database: Database, made: dict, meeting_id: str) -> None:
    """Let a forged webhook arrive before the true one: the same recordings under another meeting."""
    forged = copy.deepcopy(made)
    forged["payload"]["meeting"] |= {"_id": meeting_id, "name": "Not what it was"}
    forged["payload"]["hostUser"]["login"] = "mallory"
    for record in forged["payload"]["callRecords"]:
        record["room_id"] = meeting_id
    await take_in(database, forged)


@pytest.mark.parametrize("credentials", [KEY, USER], ids=["admin key", "user session"])
async def test_a_meeting_that_was_named_beside_a_recording_s_own_is_asked_for(
    sandbox, database: Database, credentials
) -> None:
    made = await make_meeting(sandbox, *[old_file()] * len(State))
    await take_in(database, made)
    await lie(database, made, "f" * 24)  # of the same time, so what came last is the row's
    for one, state in zip(made["recordings"], State, strict=True):
        await put(database, one["_id"], state)
    before = {item.id: item for item in (await Catalogue(database).page(Filters())).items}
    assert {item.meeting.id for item in before.values()} == {"f" * 24}
    async with reconciling(database, sandbox, credentials) as over:
        tally = await reconciled(over)
        assert (tally.found, tally.reopened, tally.changed) == (0, 2, 1)
        await reconciled(over)
    for item in (await Catalogue(database).page(Filters())).items:
        was = before[item.id].state
        stays = was in {State.ARCHIVED, State.ERASED, State.ARCHIVING}
        assert item.meeting.id == ("f" * 24 if stays else made["meeting"]["_id"])
        assert item.state == (State.PENDING if was in {State.MISSING, State.FAILED} else was)
        assert stays or item.host.login != "mallory"


async def test_what_stays_unresolved_is_lost(sandbox, database: Database) -> None:
    made = await make_meeting(sandbox, old_file())
    for record in made["payload"]["callRecords"]:
        record["_id"] = "never-there"
    await lie(database, made, "f" * 24)
    await put(database, "never-there", State.MISSING)
    async with reconciling(database, sandbox, KEY) as over:
        assert await reconciled(over) == Tally(meetings=1, gone=1, lost=1)
