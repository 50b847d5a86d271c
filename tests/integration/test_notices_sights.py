"""People are told of a silent webhook, a flood, a worker that is gone and a full database; and of each week."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.app.notices import make_watch
from receiver.catalogue import Notices, Sights
from receiver.jobs import open_jobs
from receiver.notices import Watch
from receiver.records import RecordingId, State
from receiver.settings import Settings
from receiver.tables import Database
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.jobs import running
from tests.support.mailbox import Mailbox
from tests.support.operators import ARCHIVED, add, add_delivery, row
from tests.support.watching import LOOK, PACE, Clock, Facts, FullDatabase, look_for

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_silent_webhook_is_told_of_where_there_were_recordings(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    await add_delivery(database, "d1", body=b"{}", received_at=clock.now)
    await add(database, row("brought", **ARCHIVED))
    await look_for(watch, clock, timedelta(days=3), by=timedelta(hours=9))
    assert mailbox.titles == [], "nothing happened, so nothing was to come"
    found = {"first_seen_via": "reconcile", "first_seen_at": clock.now}
    await add(database, row("missed", **ARCHIVED | found))
    await look_for(watch, clock, timedelta(days=3), by=timedelta(hours=9))
    assert mailbox.titles == ["The webhook is silent, and there are new recordings"]
    said = "Recordings that no webhook brought: 1; the last came 2026-11-23 12:00:00Z."
    assert said in mailbox.mails[0].get_content()
    await add_delivery(database, "d2", body=b"{ }", received_at=clock.now)
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=2))
    assert mailbox.titles[1:] == ["Over: The webhook speaks again"]


async def test_a_flood_of_forged_posts_is_told_once(watch: Watch, clock: Clock, facts: Facts, mailbox: Mailbox) -> None:
    await watch.look()
    facts.refused += 20
    await look_for(watch, clock, timedelta(minutes=6), by=timedelta(minutes=2))
    assert mailbox.titles == []
    for _ in range(15):
        facts.refused += 1000
        await look_for(watch, clock, LOOK)
    assert mailbox.titles == ["Many posts to the webhook are refused"]
    await look_for(watch, clock, timedelta(minutes=20), by=timedelta(minutes=2))
    assert mailbox.titles[1:] == ["Over: The webhook is posted to as usual again"]


async def test_another_process_flood_is_told_by_the_one_that_looks(
    another: Callable[..., Watch], clock: Clock, facts: Facts, mailbox: Mailbox
) -> None:
    looks, posted = another(refused_posts=lambda: 0.0), another()
    for _ in range(6):
        clock.now += LOOK
        facts.refused += 100
        await looks.look()
        await posted.look()
    assert mailbox.titles == ["Many posts to the webhook are refused"]


async def test_a_worker_that_is_gone_is_told_once(watch: Watch, clock: Clock, facts: Facts, mailbox: Mailbox) -> None:
    facts.no_worker = True
    await look_for(watch, clock, timedelta(minutes=20), by=timedelta(minutes=1))
    assert mailbox.titles == ["No worker lives"]
    assert "Command: receiver work" in mailbox.mails[0].get_content()
    facts.no_worker = False
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    assert mailbox.titles[1:] == ["Over: A worker lives again"]


async def nothing(_: RecordingId) -> None: ...


@ON_POSTGRESQL  # SQLite's only worker is the process itself
async def test_workers_that_died_are_missed_by_who_only_serves(
    database: Database, mailbox: Mailbox, clock: Clock
) -> None:
    jobs = open_jobs(database, concurrency=1)
    watch = make_watch(Settings(notify_urls=mailbox.url, s3_bucket="team"), database, jobs)
    assert watch is not None
    watch._parts = replace(watch._parts, clock=clock)

    async def worker_lives() -> None:
        async with running(jobs, nothing), asyncio.timeout(20):
            while (silent_s := await jobs.silent_s()) is None or silent_s > 60:
                await asyncio.sleep(0.05)

    await worker_lives()
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    assert mailbox.titles == []
    late = sa.text("UPDATE pgqueuer SET status = 'queued', execute_after = now() - interval '5 minutes'")
    await database.write(lambda tx: tx.execute(late))
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    assert mailbox.titles == ["No worker lives"]
    await worker_lives()
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    assert mailbox.titles[1:] == ["Over: A worker lives again"]


@ON_SQLITE  # the database is not asked
@pytest.mark.parametrize("flaps", [False, True])
async def test_a_full_database_is_told_from_memory_by_the_one_that_looked(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox, flaps: bool
) -> None:
    full = FullDatabase(database)
    crew = [another(notices=Notices(full), sights=Sights(full)) for _ in range(2)]

    async def look(time: timedelta) -> None:
        until = clock.now + time
        while clock.now < until:
            clock.now += LOOK
            for one in crew:
                await one.look()

    await look(timedelta(minutes=1))
    full.is_full = True
    await look(timedelta(minutes=1))
    assert mailbox.titles == []
    for _ in range(3):
        await look(timedelta(minutes=6))
        if flaps:
            full.is_full = False
            await look(LOOK)
            full.is_full = True
    assert mailbox.titles == ["The database takes no writes"]
    assert "database or disk is full" in mailbox.mails[0].get_content()
    full.is_full = False
    await look(LOOK)
    crew = [another()]  # all are started again before the end is told
    clock.now += PACE.lease
    await look(timedelta(minutes=5))
    assert mailbox.titles[1:] == ["Over: The database takes writes again"]


async def test_the_week_is_accounted_for_also_when_nothing_happened(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox
) -> None:
    clock.now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    await look_for(another(), clock, timedelta(days=4), by=timedelta(hours=12))
    assert mailbox.titles == [], "nobody is told of a week before the first start"
    in_week, lost = {"created_at": clock.now}, {"created_at": clock.now, "first_seen_via": "reconcile"}
    await add(
        database,
        row("a", **ARCHIVED | in_week | {"archived_at": clock.now}),
        row("b", meeting_id="m2", state=State.MISSING, **lost),
    )
    crew = [another(), another()]
    for _ in range(2 * 10):
        clock.now += timedelta(hours=12)
        await asyncio.gather(*(one.look() for one in crew))
    weeks = [mail for mail in mailbox.mails if "The week" in mail["Subject"]]
    assert [mail["Subject"] for mail in weeks] == [
        "[team] The week: 1 of 2 recordings archived",
        "[team] The week: 0 of 0 recordings archived",
    ]
    body = weeks[0].get_content()
    assert "From 2026-11-16 07:00:00Z to 2026-11-23 07:00:00Z" in body
    assert "Recordings made: 2, of meetings: 2." in body
    assert "Of these archived and proven: 1, waiting: 0, failed: 0, lost: 1." in body
    assert "found by reconciliation: 1." in body
    assert "Archived in that time: 1, 5.0 GB; read again and intact: 0." in body
    assert "Not over: recordings_dead." in body
