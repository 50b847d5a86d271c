"""People are told once when something begins and once when it is over, by whichever process looks, over restarts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.app.notices import make_watch
from receiver.catalogue import Interventions, Notices, Sights
from receiver.errors import StorageUnavailableError
from receiver.jobs import open_jobs
from receiver.notices import Watch, open_channels
from receiver.records import NoticeKind, RecordingId, State
from receiver.settings import Settings
from receiver.tables import Database, notices, recordings
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.jobs import running
from tests.support.mailbox import Mailbox
from tests.support.operators import ARCHIVED, add, add_delivery, row
from tests.support.watching import LOOK, PACE, Clock, Facts, look_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def waiting(recording_id: str, code: str, at: datetime, **values: Any) -> dict[str, Any]:
    error = {"error_code": code, "error_message": f"{code} said the other side", "error_at": at}
    return row(recording_id, state=State.WAITING, next_attempt_at=at, **error, **values)


async def archive(database: Database, recording_id: str, at: datetime) -> None:
    update = sa.update(recordings).where(recordings.c.id == recording_id).values(**ARCHIVED | {"archived_at": at})
    await database.write(lambda tx: tx.execute(update))


@pytest.mark.parametrize(
    ("code", "title", "told", "ended"),
    [
        (
            "store_denied",
            "The bucket takes no recordings",
            "By hand: mend what is said above",
            "takes recordings again",
        ),
        ("api_unauthorized", "The Meetings API serves nobody", "By hand: mend what is said above", "serves again"),
        (
            "source_unavailable",
            "A host of recordings' files serves nobody",
            "files.example.com: source_unavailable said",
            "serves again",
        ),
    ],
)
async def test_an_outage_is_told_once_and_its_end_once(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox, code: str, title: str, told: str, ended: str
) -> None:
    await watch.look()
    await add(database, *(waiting(one, code, clock.now, source_host="files.example.com") for one in ("a", "b")))
    await look_for(watch, clock, PACE.held_for)
    assert mailbox.titles == [], "it has to last"
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=10))
    assert mailbox.titles == [title]
    (mail,) = mailbox.mails
    body = mail.get_content()
    assert told in body
    assert "said the other side; waiting: 2." in body
    assert f"{code} said the other side" in body
    assert "Command: receiver check" in body
    assert mail["To"] == "ops@example.com, on-call@example.com"
    for one in ("a", "b"):
        await archive(database, one, clock.now)
    await look_for(watch, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    assert len(mailbox.mails) == 2
    assert mailbox.titles[1].startswith("Over: ")
    assert ended in mailbox.titles[1]


async def test_an_outage_that_follows_another_is_not_told_as_both(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    """While the bucket is away, nobody is let find out that the API is back."""
    await add(database, *(waiting(one, "api_unavailable", clock.now) for one in ("a", "b")))
    await look_for(watch, clock, timedelta(minutes=1))
    await add(database, waiting("c", "store_unavailable", clock.now))
    await look_for(watch, clock, timedelta(minutes=20), by=timedelta(minutes=1))
    assert mailbox.titles == ["The bucket takes no recordings"]


async def test_a_blip_is_told_to_nobody_and_a_pause_in_an_outage_is_no_end(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    await add(database, waiting("a", "store_unavailable", clock.now), waiting("b", "store_unavailable", clock.now))
    await look_for(watch, clock, timedelta(minutes=1))
    await archive(database, "a", clock.now)
    await look_for(watch, clock, timedelta(minutes=10))
    assert mailbox.titles == []
    assert (
        await database.read(lambda tx: tx.execute(sa.select(notices).where(notices.c.kind != "statement")).all()) == []
    )

    fails = sa.update(recordings).where(recordings.c.id == "b")
    await database.write(lambda tx: tx.execute(fails.values(error_at=clock.now)))
    await look_for(watch, clock, timedelta(minutes=5))
    await archive(database, "a", clock.now)
    await look_for(watch, clock, timedelta(minutes=1))
    await database.write(lambda tx: tx.execute(fails.values(error_at=clock.now)))
    await look_for(watch, clock, timedelta(minutes=10))
    assert mailbox.titles == ["The bucket takes no recordings"]


async def test_processes_that_race_and_follow_each_other_tell_once(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox
) -> None:
    await add(database, waiting("a", "store_denied", clock.now))
    crew = [another() for _ in range(3)]
    for _ in range(8):
        clock.now += LOOK
        await asyncio.gather(*(one.look() for one in crew))
    assert len(mailbox.mails) == 1
    later = another()  # after a restart of all
    clock.now += 2 * PACE.lease
    await later.look()
    await archive(database, "a", clock.now)
    await look_for(later, clock, timedelta(minutes=10), by=timedelta(minutes=1))
    await look_for(crew[0], clock, timedelta(minutes=10), by=timedelta(minutes=5))
    assert mailbox.titles == ["The bucket takes no recordings", "Over: The bucket takes recordings again"]


@ON_SQLITE  # the database is not asked
async def test_one_that_alone_lost_the_database_tells_its_end_by_whoever_looks_then(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox
) -> None:
    cut_off = FullDatabase(database)
    first, second = another(notices=Notices(cut_off), sights=Sights(cut_off)), another()
    await first.look()
    cut_off.is_full = True
    for _ in range(10):
        clock.now += LOOK
        await first.look()
        await second.look()
    cut_off.is_full = False
    for _ in range(10):
        clock.now += LOOK
        await first.look()
        await second.look()
    assert mailbox.titles == ["The database takes no writes", "Over: The database takes writes again"]


async def test_hosts_without_number_make_one_message_in_a_while(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    for n in range(15):
        forged = waiting(f"f{n}", "source_unavailable", clock.now, source_host=f"{n}.example.com")
        await add(database, forged)
        await look_for(watch, clock, timedelta(minutes=3), by=timedelta(minutes=1))
    assert len(mailbox.mails) == 1
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 2
    assert "and 4 more" in mailbox.mails[1].get_content()


class KilledError(Exception):
    """Stands for the end of the process."""


async def test_killed_between_sending_and_noting_it_is_told_at_most_twice(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox
) -> None:
    class Killed(Notices):
        async def told(self, *_: Any, **__: Any) -> None:
            raise KilledError

    await add(database, row("a", state=State.FAILED, error_code="source_denied"))
    with pytest.raises(KilledError):
        await another(notices=Killed(database)).look()
    clock.now += 2 * PACE.lease
    await look_for(another(), clock, timedelta(hours=3), by=timedelta(minutes=20))
    assert len(mailbox.mails) == 2


async def test_dead_recordings_are_told_once_each_and_together(
    database: Database, watch: Watch, clock: Clock, mailbox: Mailbox
) -> None:
    await add(database, row("a", state=State.FAILED, error_code="source_denied"))
    await look_for(watch, clock, timedelta(minutes=2))
    assert mailbox.titles == ["Recordings were given up"]
    assert "a (source_denied)" in mailbox.mails[0].get_content()
    assert "receiver recordings retry" in mailbox.mails[0].get_content()

    more = [row(f"b{n}", state=State.MISSING, error_code="recording_gone") for n in range(30)]
    await add(database, *more)
    await look_for(watch, clock, timedelta(minutes=50), by=timedelta(minutes=10))
    assert len(mailbox.mails) == 1, "they gather"
    await look_for(watch, clock, timedelta(hours=5), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 2
    body = mailbox.mails[1].get_content()
    assert "Recordings were given up: 30." in body
    assert "and 20 more" in body
    assert "a (" not in body

    await Interventions(database).retry(RecordingId("a"), now=clock.now)
    fails = sa.update(recordings).where(recordings.c.id == "a").values(state=State.FAILED)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    await database.write(lambda tx: tx.execute(fails))
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 2, "it was tried, which is no end"
    await archive(database, "a", clock.now)
    await look_for(watch, clock, timedelta(hours=2), by=timedelta(minutes=30))
    assert len(mailbox.mails) == 3
    assert "a" in mailbox.mails[2].get_content().splitlines()


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


class FullDatabase(Database):
    """Takes no writes while it `is_full`, as the disk under it."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.is_sqlite, self.engine, self.insert = inner.is_sqlite, inner.engine, inner.insert
        self.is_full = False

    async def read(self, body: Callable[[sa.Connection], Any]) -> Any:
        return await self._inner.read(body)

    async def write(self, body: Callable[[sa.Connection], Any]) -> Any:
        if self.is_full:
            reason = "database or disk is full"
            raise StorageUnavailableError(f"the database did not take the statement: {reason}", reason=reason)
        return await self._inner.write(body)

    async def close(self) -> None: ...


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


async def test_what_no_channel_takes_is_told_later_and_what_one_takes_is_told(
    database: Database, another: Callable[..., Watch], clock: Clock, mailbox: Mailbox, facts: Facts
) -> None:
    del facts
    await add(database, row("a", state=State.FAILED, error_code="source_denied"))
    mailbox.refuses = "550 no"
    watch = another()
    await look_for(watch, clock, timedelta(hours=1), by=timedelta(minutes=10))
    assert await Notices(database).open() == []
    mailbox.refuses = None
    await look_for(watch, clock, timedelta(minutes=16))
    assert len(mailbox.mails) == 1

    async with Mailbox(refuses="550 no") as deaf:
        both = another(channels=open_channels([deaf.url, mailbox.url]))
        await add(database, waiting("b", "store_denied", clock.now))
        clock.now += PACE.lease
        await look_for(both, clock, timedelta(hours=1), by=timedelta(minutes=10))
    assert len(mailbox.mails) == 2


async def test_closed_notices_are_forgotten_after_a_while(database: Database, clock: Clock) -> None:
    kept = Notices(database)
    await kept.add_told(NoticeKind.NO_WORKER, began_at=clock.now, now=clock.now)
    await kept.end_unseen([NoticeKind.NO_WORKER], since=clock.now + LOOK)
    await kept.told(await kept.to_tell(), now=clock.now, is_end=True)
    await kept.forget(before=clock.now)
    assert await database.read(lambda tx: len(tx.execute(sa.select(notices)).all())) == 1
    await kept.forget(before=clock.now + LOOK)
    assert await database.read(lambda tx: len(tx.execute(sa.select(notices)).all())) == 0


async def test_a_watch_that_stops_leaves_its_place_at_once(
    database: Database, another: Callable[..., Watch], clock: Clock
) -> None:
    del database
    stop = asyncio.Event()
    running = asyncio.create_task(another().run(stop))
    await asyncio.sleep(0)
    stop.set()
    await running
    other: Awaitable[bool] = another()._parts.notices.hold("other", now=clock.now, until=clock.now + LOOK)
    assert await other
