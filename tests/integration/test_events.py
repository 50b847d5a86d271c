"""Events of recordings: noted with the change, sent signed and in order, tried for three days, and sent again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.app.notices import outbox
from receiver.catalogue import Catalogue, Events, Interventions, Outbox, Runs, audit_log, forget_events
from receiver.errors import NotFoundError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.notices import EventDelivery, EventTarget, open_sender
from receiver.records import Actor, EventState, EventType, Failure, RecordingId, State
from receiver.settings import Settings
from receiver.tables import Database, event_outbox
from receiver.tables import audit_log as entries
from tests.support.clock import NOW
from tests.support.event_receiver import SECRET, EventReceiver
from tests.support.intake import STORED, accept
from tests.support.payloads import payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

A, B = RecordingId("a"), RecordingId("b")
ALICE = Actor("cli:alice")
LOOPBACK = (ip_network("127.0.0.0/8"),)
SETTINGS = Settings(events_url="https://hooks.example.com/x", events_secret=SECRET, s3_bucket="team")
FAILURE = Failure(code="source_denied", message="refused", at=NOW)
FAILED = Decision(state=State.FAILED, attempts=8, next_attempt_at=None)


class Clock:
    """A time that a test moves on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def runs(database: Database) -> Runs:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    await accept(inbox, payload("a"), now=NOW)
    await accept(inbox, payload("b"), now=NOW)
    return Runs(database, outbox(SETTINGS))


@pytest.fixture
async def hook() -> AsyncIterator[EventReceiver]:
    async with EventReceiver() as receiver:
        yield receiver


@asynccontextmanager
async def delivering(database: Database, url: str, clock: Clock) -> AsyncIterator[EventDelivery]:
    target = EventTarget(url=url, secrets=lambda: (SECRET,), networks=LOOPBACK, source="s3://team/")
    async with open_sender(target, clock) as sender:
        yield EventDelivery(events=Events(database), sender=sender, clock=clock, jitter=lambda: 1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the receiver's library believe in the test's time too."""
    made = Clock()

    class Moment(datetime):
        @classmethod
        def now(cls, tz):
            return made.now.astimezone(tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Moment)
    return made


async def archive(runs: Runs, recording_id: RecordingId, *, at: datetime = NOW) -> None:
    claim = await runs.claim(recording_id, now=at)
    assert claim is not None
    await runs.finish(claim, STORED, now=at)


async def fail(runs: Runs, recording_id: RecordingId) -> None:
    claim = await runs.claim(recording_id, now=NOW)
    assert claim is not None
    await runs.settle(claim, FAILED, FAILURE)


async def test_what_becomes_of_a_recording_is_told_in_order(
    database: Database, runs: Runs, hook: EventReceiver, clock: Clock
) -> None:
    await fail(runs, A)
    await Interventions(database).retry(A, now=NOW)
    await archive(runs, A)
    await archive(runs, B)
    async with delivering(database, hook.url, clock) as delivery:
        await delivery.deliver()
        await delivery.deliver()
    of_a = [event for event in hook.got if event["subject"] == "a"]
    assert [event["type"] for event in of_a] == ["recording.failed", "recording.archived"]
    assert [event["data"]["state"] for event in of_a] == ["failed", "archived"], "as it was then"
    assert len(hook.got) == 3
    first = of_a[0]
    assert (first["specversion"], first["source"], first["time"]) == ("1.0", "s3://team/", "2026-11-22T12:00:00Z")
    assert first["id"] == first["webhook_id"]
    assert first["data"]["error"]["code"] == "source_denied"
    assert of_a[1]["data"]["archive"]["sha256"] == STORED.sha256
    assert {event.state for event in await Events(database).page(None, most=10)} == {EventState.DELIVERED}


async def test_nothing_personal_is_noted_or_sent(database: Database, hook: EventReceiver, clock: Clock) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    await accept(inbox, payload("a", participants_ids=[700_007, 800_008]), now=NOW)
    known = await Catalogue(database).recording(A)
    people = (known.host.name, known.host.login, known.host.email, *map(str, known.vendor.participant_ids))
    words = {word for word in (known.meeting.name, *people) if word}
    assert len(words) > 3, "there is something to leave out"
    await archive(Runs(database, outbox(SETTINGS)), A)
    async with delivering(database, hook.url, clock) as delivery:
        await delivery.deliver()
    noted = await database.read(lambda tx: str(tx.execute(sa.select(event_outbox)).all()))
    sent = hook.raw[0].decode()
    assert [word for word in words if word in noted or word in sent] == []
    assert hook.got[0]["data"]["archive"]["key"] == STORED.key
    assert hook.got[0]["data"]["meeting"]["id"] == known.meeting.id


async def test_a_key_that_names_people_is_personal(database: Database, runs: Runs) -> None:
    del runs
    named = outbox(SETTINGS.model_copy(update={"key_template": "{meeting_name}/{recording_id}"}))
    await archive(Runs(database, named), A)
    (event,) = await Events(database).page(None, most=10)
    assert "key" not in event.data["archive"]
    assert event.data["archive"]["bucket"] == STORED.bucket


async def test_without_a_receiver_nothing_is_noted(database: Database, runs: Runs) -> None:
    del runs
    await archive(Runs(database, outbox(Settings())), A)
    await archive(Runs(database), B)
    assert await Events(database).page(None, most=10) == []


async def test_an_event_is_part_of_its_transaction(database: Database, runs: Runs) -> None:
    class DeadEndError(Exception):
        pass

    def change(tx: sa.Connection) -> None:
        outbox(SETTINGS).add(tx, A, EventType.DAMAGED, at=NOW)
        raise DeadEndError

    with pytest.raises(DeadEndError):
        await database.write(change)
    assert await Events(database).page(None, most=10) == []


async def test_a_receiver_that_is_away_gets_each_once_it_is_back_and_the_same_at_every_attempt(
    database: Database, runs: Runs, hook: EventReceiver, clock: Clock
) -> None:
    hook.status, hook.headers = 503, {"Retry-After": "120"}
    await archive(runs, A)
    async with delivering(database, hook.url, clock) as delivery:
        await delivery.deliver()
        (event,) = await Events(database).page(EventState.PENDING, most=10)
        assert event.next_attempt_at == NOW + timedelta(seconds=120), "as it asked"
        assert event.error == f"{hook.url.partition('/hook')[0]} answered 503"
        hook.headers = {}
        for _ in range(3):
            clock.now = (await Events(database).page(None, most=1))[0].next_attempt_at
            await delivery.deliver()
        hook.status = 200
        clock.now += timedelta(hours=1)
        await delivery.deliver()
        await delivery.deliver()
    assert len(hook.raw) == 5
    assert len(set(hook.raw)) == 1
    assert len({event["webhook_id"] for event in hook.got}) == 1
    (event,) = await Events(database).page(None, most=10)
    assert (event.state, event.attempts, event.error) == (EventState.DELIVERED, 5, None)


async def test_one_that_is_never_taken_holds_up_its_own_recording_alone_and_is_given_up_after_three_days(
    database: Database, runs: Runs, hook: EventReceiver, clock: Clock
) -> None:
    hook.status = lambda event: 400 if event["type"] == "recording.failed" else 204
    await fail(runs, A)
    await Interventions(database).retry(A, now=NOW)
    await archive(runs, A)
    await archive(runs, B)
    async with delivering(database, hook.url, clock) as delivery:
        with capture_logs() as logged:
            await delivery.deliver()
            assert [event["subject"] for event in hook.got if event["type"] == "recording.archived"] == ["b"]
            while clock.now < NOW + timedelta(days=3, hours=1):
                clock.now += timedelta(hours=1)
                await delivery.deliver()
        assert [event["subject"] for event in hook.got if event["type"] == "recording.archived"] == ["b", "a"]
        (given_up,) = await Events(database).page(EventState.FAILED, most=10)
        assert given_up.recording_id == "a"
        assert given_up.attempts > 50
        assert [entry["event"] for entry in logged].count("event_given_up") == 1
        assert (await Events(database).counts()) == (0, 1)

        hook.status = 204
        assert await Events(database).replay_failed(by=ALICE, now=clock.now) == 1
        await delivery.deliver()
    assert hook.got[-1]["webhook_id"] == given_up.webhook_id
    assert (await Events(database).counts()) == (0, 0)


async def test_what_was_sent_and_not_noted_is_sent_again_by_the_same_id(
    database: Database, runs: Runs, hook: EventReceiver, clock: Clock
) -> None:
    await archive(runs, A)
    async with delivering(database, hook.url, clock) as delivery:
        (event,) = await Events(database).due(NOW, most=10)
        await delivery.sender.send(event)  # and then: killed
        await delivery.deliver()
        await Events(database).refused(
            event, "late", next_attempt_at=NOW
        )  # the outcome of the first, from a paused one
        await delivery.deliver()
    assert [one["webhook_id"] for one in hook.got] == [event.webhook_id] * 2


async def test_delivered_ones_are_replayed_by_their_ids_and_unknown_ones_told(
    database: Database, runs: Runs, hook: EventReceiver, clock: Clock
) -> None:
    await archive(runs, A)
    events = Events(database)
    async with delivering(database, hook.url, clock) as delivery:
        await delivery.deliver()
        (event,) = await events.page(EventState.DELIVERED, most=10)
        with pytest.raises(NotFoundError):
            await events.replay([event.webhook_id, "msg_none"], by=ALICE, now=NOW)
        await delivery.deliver()
        assert len(hook.got) == 1, "all or none"
        await events.replay([event.webhook_id], by=ALICE, now=NOW)
        await delivery.deliver()
    assert hook.raw[0] == hook.raw[1]
    await audit_log.seal(database, wait=True)
    acts = await database.read(
        lambda tx: tx.execute(sa.select(entries.c.actor, entries.c.action, entries.c.subject)).all()
    )
    assert [tuple(act) for act in acts] == [("cli:alice", "event_replayed", A)]


async def test_old_ones_are_forgotten_and_those_of_an_erased_recording_at_once(database: Database, runs: Runs) -> None:
    events = Events(database)
    await archive(runs, A)
    await archive(runs, B)
    for event in await events.due(NOW, most=10):
        await events.delivered(event, now=NOW)
    await database.write(lambda tx: tx.execute(forget_events(A)))
    assert [event.recording_id for event in await events.page(None, most=10)] == ["b"]
    await events.forget(now=NOW + timedelta(days=29))
    assert len(await events.page(None, most=10)) == 1
    await events.forget(now=NOW + timedelta(days=31))
    assert await events.page(None, most=10) == []


def test_the_outbox_of_a_part_that_was_given_none_is_silent() -> None:
    Outbox().add(None, A, EventType.ERASED, at=NOW)
