"""An event follows from the POST that named its recording: a receiver finds its `traceparent` in the sender's trace."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from receiver.app.notices import outbox
from receiver.catalogue import Events, Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import parse
from receiver.notices import EventDelivery, EventTarget, open_sender
from receiver.records import RecordingId
from receiver.settings import Settings
from receiver.traces import Trace
from receiver.traces import parse as parse_traceparent
from tests.support.event_receiver import SECRET, EventReceiver
from tests.support.intake import STORED
from tests.support.payloads import payload

if TYPE_CHECKING:
    from receiver.tables import Database

BROUGHT = Trace("4bf92f3577b34da6a3ce929d0e0e4736", is_sampled=True)


def now() -> datetime:
    return datetime.now(UTC)  # the receiver's library believes in no other time


async def test_each_attempt_is_a_span_of_the_trace_that_the_delivery_brought(database: Database) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    traced, plain = payload("traced"), payload("plain")
    await inbox.accept(traced, parse(traced), now=now(), trace=BROUGHT)
    delivery_id = (await inbox.accept(plain, parse(plain), now=now())).delivery_id
    runs = Runs(database, outbox(Settings(events_url="https://hooks.example.com/x", events_secret=SECRET)))
    for recording_id in (RecordingId("traced"), RecordingId("plain")):
        claim = await runs.claim(recording_id, now=now())
        assert claim is not None
        await runs.finish(claim, STORED, now=now())
    refusals = [503, 204]
    async with EventReceiver(status=lambda event: refusals.pop(0) if event["subject"] == "traced" else 204) as hook:
        target = EventTarget(
            url=hook.url, secrets=lambda: (SECRET,), networks=(ip_network("127.0.0.0/8"),), source="s3://team/"
        )
        async with open_sender(target, now) as sender:
            delivery = EventDelivery(events=Events(database), sender=sender, clock=now, jitter=lambda: 0.0)
            while refusals:
                await delivery.deliver()
        sent = [(event["subject"], traceparent) for event, traceparent in zip(hook.got, hook.traces, strict=True)]
    of_traced = [traceparent for subject, traceparent in sent if subject == "traced"]
    assert [parse_traceparent(one) for one in of_traced] == [BROUGHT, BROUGHT]
    assert len(set(of_traced)) == 2, "a span of its own"
    assert [parse_traceparent(one) for subject, one in sent if subject == "plain"] == [Trace(delivery_id)]
