"""People are told once when something begins and once when it is over, by whichever process looks, over restarts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from receiver.catalogue import Notices, Sights
from receiver.notices import Watch, open_channels
from receiver.records import NoticeKind, State
from receiver.tables import Database, notices, recordings
from tests.support.databases import ON_SQLITE
from tests.support.mailbox import Mailbox
from tests.support.operators import add, row
from tests.support.watching import LOOK, PACE, Clock, Facts, FullDatabase, archive, look_for, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


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
    assert "said the other side. Recordings that wait for it: 2." in body
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
