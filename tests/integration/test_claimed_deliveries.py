"""A claim knows the delivery that its run follows from, and the trace that it came with."""

from __future__ import annotations

from datetime import timedelta

from receiver.catalogue import Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import parse
from receiver.records import Claim, RecordingId
from receiver.tables import Database
from receiver.traces import Trace, of_delivery
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.operators import add, row
from tests.support.payloads import payload

LATER = NOW + timedelta(minutes=1)
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", is_sampled=True)


async def claimed(database: Database, recording_id: str) -> Claim:
    claim = await Runs(database).claim(RecordingId(recording_id), now=LATER)
    assert claim is not None
    return claim


async def test_it_is_the_newest_that_names_the_recording(database: Database) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    await accept(inbox, payload("a"), now=NOW)
    body = payload("a", "b")
    newer = await inbox.accept(body, parse(body), now=LATER, trace=TRACE)
    await accept(inbox, payload("c"), now=LATER)
    claim, other = await claimed(database, "a"), await claimed(database, "c")
    assert claim.delivery_id == newer.delivery_id
    assert of_delivery(claim.delivery_id, claim.traceparent) == TRACE
    assert of_delivery(other.delivery_id, other.traceparent) == Trace(str(other.delivery_id))


async def test_the_first_to_bring_a_body_says_whose_trace_it_is(database: Database) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    body = payload("a")
    first = await inbox.accept(body, parse(body), now=NOW)
    assert (await inbox.accept(body, parse(body), now=LATER, trace=TRACE)).duplicate
    claim = await claimed(database, "a")
    assert (claim.delivery_id, claim.traceparent) == (first.delivery_id, None)


async def test_a_recording_that_no_delivery_named_has_none(database: Database) -> None:
    await add(database, row("found", first_seen_via="reconcile"))
    claim = await claimed(database, "found")
    assert (claim.delivery_id, claim.traceparent) == (None, None)
