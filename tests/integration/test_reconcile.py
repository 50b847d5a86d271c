"""Reconciliation against the platform: what it finds, what it leaves alone, and what it says."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import Catalogue, Filters, Runs
from receiver.errors import ApiLoginRefusedError, ApiUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import RecordingId, State, Tally, Via
from receiver.tables import Database, deliveries, recordings
from tests.support.intake import STORED, accept
from tests.support.reconciling import KEY, USER, ago, ignore, old_file, reconciled, reconciling
from tests.support.service import control, make_meeting, set_fault


async def take_in(database: Database, made) -> None:
    """Let the webhook of a meeting arrive an hour ago."""
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    await accept(inbox, json.dumps(made["payload"]).encode(), now=utc_now() - timedelta(hours=1))


async def archive(database: Database, recording_id: str) -> None:
    claim = await Runs(database).claim(RecordingId(recording_id), now=utc_now())
    assert claim is not None
    await Runs(database).finish(claim, STORED, now=utc_now())


async def put(database: Database, recording_id: str, state: State) -> None:

    def change(tx):
        row = sa.update(recordings).where(recordings.c.id == recording_id)
        tx.execute(row.values(state=state, attempts=3, next_attempt_at=None))

    await database.write(change)


async def states(database: Database) -> dict[str, State]:
    page = await Catalogue(database).page(Filters(), limit=1000)
    return {item.id: item.state for item in page.items}


def ids(*made) -> set[str]:
    return {one["_id"] for meeting in made for one in meeting["recordings"]}


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
    assert (found.host.id, found.participant_ids) == (sandbox.config.user_id, (5, 6))
    assert found.created_at == datetime.fromisoformat(made[0]["payload"]["callRecords"][0]["created_at"])
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
    assert item.file_uid == made["recordings"][0]["file_uid"]


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
        report = await over.look(since=since, tell=ignore)
        assert report.tally == Tally(meetings=2, recordings=3, found=1, reopened=1)
        assert await states(database) == before

        def change(tx):
            assert (tx.execute(sa.text("SELECT count(*) FROM reconciliations"))).scalar_one() == 0

        await database.read(change)
        assert (await reconciled(over)).found == 1


async def test_refused_credentials_end_it_and_it_can_be_run_again(sandbox, database: Database) -> None:
    await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="status", status=401, match="/session", times=1)
    async with reconciling(database, sandbox) as over:
        with pytest.raises(ApiLoginRefusedError):
            await reconciled(over)
        assert (await reconciled(over)).found == 1


async def test_an_api_that_is_away_at_first_is_given_up_on_soon(database: Database) -> None:
    async with reconciling(database, "http://127.0.0.1:9") as over, asyncio.timeout(60):
        with pytest.raises(ApiUnavailableError):
            await reconciled(over)


async def test_an_api_that_stumbles_is_asked_again(sandbox, database: Database) -> None:
    for _ in range(20):
        await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="status", status=429, retry_after=0.2, match="/recordings/", times=5)
    await set_fault(sandbox, on="api", kind="status", status=503, match="/meetings", times=3)
    async with reconciling(database, sandbox) as over:
        assert await reconciled(over) == Tally(meetings=20, recordings=20, found=20)


async def test_two_walks_and_the_webhooks_at_once_make_one_row_a_recording(sandbox, database: Database) -> None:
    made = [await make_meeting(sandbox, old_file(), old_file()) for _ in range(30)]
    async with reconciling(database, sandbox) as one, reconciling(database, sandbox) as other:
        first, second, *_ = await asyncio.gather(
            reconciled(one, name="30d"),
            reconciled(other, name="31d", days=31),
            *(take_in(database, meeting) for meeting in made[::3]),
        )
    assert await states(database) == dict.fromkeys(ids(*made), State.PENDING)
    assert (first.meetings, second.meetings) == (30, 30)
    via = [item.first_seen_via for item in (await Catalogue(database).page(Filters(), limit=1000)).items]
    assert await Catalogue(database).missed_webhooks() == via.count(Via.RECONCILE) >= 40


class Heard:
    """Hears tallies; `enough` is set with the first of so many meetings."""

    def __init__(self, meetings: int) -> None:
        self.meetings = meetings
        self.enough = asyncio.Event()

    def __call__(self, tally: Tally) -> None:
        if tally.meetings >= self.meetings:
            self.enough.set()


async def test_while_one_is_at_it_a_second_of_the_same_window_does_nothing_or_waits(sandbox, database) -> None:
    for _ in range(20):
        await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="slow", delay_s=0.5, match="/recordings/")
    since, heard = datetime.now(UTC) - timedelta(days=30), Heard(1)
    async with reconciling(database, sandbox) as one, reconciling(database, sandbox) as other:
        walking = asyncio.create_task(one.reconcile("30d", since=since, wait=False, tell=heard))
        await heard.enough.wait()
        assert await other.reconcile("30d", since=since, wait=False, tell=ignore) is None
        waiting = await other.reconcile("30d", since=since, wait=True, tell=ignore)
        assert walking.done()
        first = await walking
    assert (first.tally.found, waiting.is_resumed) == (20, False)
    assert waiting.tally == Tally(meetings=20, recordings=20)


async def test_one_that_is_cancelled_leaves_its_progress_to_the_next(sandbox, database: Database) -> None:
    for _ in range(60):
        await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="slow", delay_s=0.05, match="/recordings/")
    since, heard = datetime.now(UTC) - timedelta(days=30), Heard(30)
    async with reconciling(database, sandbox) as over:
        walking = asyncio.create_task(over.reconcile("30d", since=since, wait=False, tell=heard))
        await heard.enough.wait()
        walking.cancel()
        await asyncio.gather(walking, return_exceptions=True)
        await control(sandbox, "DELETE", "/requests")
        report = await over.reconcile("30d", since=since, wait=False, tell=ignore)
    assert report is not None
    assert (report.is_resumed, report.tally) == (True, Tally(meetings=60, recordings=60, found=60))
    asked = [one["path"] for one in await control(sandbox, "GET", "/requests") if "/recordings/" in one["path"]]
    assert len(asked) <= 30
