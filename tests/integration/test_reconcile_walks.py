"""Walks beside each other and beside webhooks, and one after another that did not end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from receiver.catalogue import Catalogue, Filters
from receiver.records import State, Tally, Via
from receiver.tables import Database
from tests.support.reconciling import ids, ignore, old_file, reconciled, reconciling, states, take_in
from tests.support.service import control, make_meeting, set_fault


async def test_two_walks_and_the_webhooks_at_once_make_one_row_a_recording(sandbox, database: Database) -> None:
    made = [await make_meeting(sandbox, old_file(), old_file()) for _ in range(15)]
    async with reconciling(database, sandbox) as one, reconciling(database, sandbox) as other:
        first, second, *_ = await asyncio.gather(
            reconciled(one, name="30d"),
            reconciled(other, name="31d", days=31),
            *(take_in(database, meeting) for meeting in made[::3]),
        )
    assert await states(database) == dict.fromkeys(ids(*made), State.PENDING)
    assert (first.meetings, second.meetings) == (15, 15)
    via = [item.first_seen_via for item in (await Catalogue(database).page(Filters(), limit=1000)).items]
    assert await Catalogue(database).missed_webhooks() == via.count(Via.RECONCILE) >= 20


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
        walking = asyncio.create_task(one.reconcile("30d", since=since, wait=False, on_progress=heard))
        await heard.enough.wait()
        assert await other.reconcile("30d", since=since, wait=False, on_progress=ignore) is None
        waiting = await other.reconcile("30d", since=since, wait=True, on_progress=ignore)
        assert walking.done()
        first = await walking
    assert (first.tally.found, waiting.is_resumed) == (20, False)
    assert waiting.tally == Tally(meetings=20, recordings=20)


async def test_one_that_is_cancelled_leaves_its_progress_to_the_next(sandbox, database: Database) -> None:
    for _ in range(30):
        await make_meeting(sandbox, old_file())
    await set_fault(sandbox, on="api", kind="slow", delay_s=0.05, match="/recordings/")
    since, heard = datetime.now(UTC) - timedelta(days=30), Heard(15)
    async with reconciling(database, sandbox) as over:
        walking = asyncio.create_task(over.reconcile("30d", since=since, wait=False, on_progress=heard))
        await heard.enough.wait()
        walking.cancel()
        await asyncio.gather(walking, return_exceptions=True)
        await control(sandbox, "DELETE", "/requests")
        report = await over.reconcile("30d", since=since, wait=False, on_progress=ignore)
    assert report is not None
    assert (report.is_resumed, report.tally) == (True, Tally(meetings=30, recordings=30, found=30))
    asked = [one["path"] for one in await control(sandbox, "GET", "/requests") if "/recordings/" in one["path"]]
    assert len(asked) <= 15
