"""Stored deliveries taken in again: by today's rules, once, and over nothing that is known."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.catalogue import Catalogue, Interventions
from receiver.errors import UnreadableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import MAX_RECORDS
from receiver.records import DeliveryStatus, RecordingId, State
from receiver.tables import Database, named_meetings, recordings
from tests.support.api import assert_problem
from tests.support.clock import NOW
from tests.support.databases import ON_SQLITE, refuse
from tests.support.intake import accept, replay_of
from tests.support.operators import add_delivery
from tests.support.page import post
from tests.support.payloads import payload

KEPT = payload("a", "b").replace(b"s1gn", b"REDACTED")


async def _state(database: Database, recording_id: str) -> State:
    return (await Catalogue(database).recording(RecordingId(recording_id))).state


async def test_what_an_earlier_release_could_not_read_is_taken_in_once(database: Database) -> None:
    await add_delivery(database, "d1", body=KEPT, status="rejected", rejected=[{"index": 0, "errors": ["no"]}])
    for _ in range(2):
        replayed = await replay_of(database)("d1")
        assert replayed.accepted.recordings == (("a", State.PENDING), ("b", State.PENDING))
        assert replayed.note is None
        delivery = await Catalogue(database).delivery("d1")
        assert (delivery.status, delivery.recording_ids) == (DeliveryStatus.ACCEPTED, ("a", "b"))
        assert (delivery.rejected, delivery.recordings_count, delivery.rejected_count) == ((), 2, 0)
    found = await Catalogue(database).recording(RecordingId("a"))
    assert (found.first_seen_via, found.meeting.name, found.vendor.participant_ids) == ("webhook", "Weekly", (7, 8))


async def test_a_replay_revives_and_overwrites_nothing(database: Database) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    first = await accept(inbox, payload("a", "b", "c", duration=1, updated_at=None), now=NOW)
    await accept(inbox, payload("a", duration=2, updated_at=None), now=NOW + timedelta(hours=1))
    await Interventions(database).cancel(RecordingId("c"))
    fail = sa.update(recordings).where(recordings.c.id == "b").values(state=State.FAILED, attempts=8)
    await database.write(lambda tx: tx.execute(fail))
    replayed = await replay_of(database, has_api=False)(first.delivery_id)
    assert dict(replayed.accepted.recordings) == {"a": State.PENDING, "b": State.PENDING, "c": State.CANCELLED}
    assert replayed.note is not None
    assert "without API credentials" in replayed.note
    assert (await Catalogue(database).recording(RecordingId("a"))).vendor.duration_s == 2
    urls = await database.read(lambda tx: tx.execute(sa.select(recordings.c.payload_url)).scalars().all())
    assert all("s1gn" in url for url in urls)


async def test_a_replay_takes_what_was_beyond_the_bound_of_one_delivery(database: Database) -> None:
    ids = [f"r{n}" for n in range(MAX_RECORDS + 5)]
    body = json.dumps({"meeting": {"_id": "m"}, "callRecords": [{"_id": one} for one in ids]}).encode()
    await add_delivery(database, "d1", body=body, status="partial", recording_ids=ids[:MAX_RECORDS])
    replayed = await replay_of(database)("d1")
    assert len(replayed.accepted.recordings) == len(ids)
    delivery = await Catalogue(database).delivery("d1")
    assert (delivery.status, delivery.recordings_count) == (DeliveryStatus.ACCEPTED, len(ids))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "the body is not JSON"),
        (b'{"meeting": {"_id": "m"}, "callRecords": [{}]}', "no record of callRecords can be used"),
    ],
)
async def test_what_still_cannot_be_read_stays_as_it_is(database: Database, body: bytes, reason: str) -> None:
    await add_delivery(database, "d1", body=body, status="rejected")
    before = await Catalogue(database).delivery("d1")
    with pytest.raises(UnreadableError, match=reason):
        await replay_of(database)("d1")
    assert await Catalogue(database).delivery("d1") == before
    asked = await database.read(lambda tx: tx.execute(sa.select(named_meetings.c.meeting_id)).scalars().all())
    assert asked == (["m"] if b"meeting" in body else [])


async def test_what_the_database_refuses_is_told(database: Database) -> None:
    await refuse(database, "a")
    await add_delivery(database, "d1", body=KEPT, status="rejected")
    with pytest.raises(UnreadableError, match="the database refuses what it says"):
        await replay_of(database)("d1")
    assert (await Catalogue(database).delivery("d1")).status is DeliveryStatus.REJECTED


async def test_by_the_api(database: Database, api_operator: httpx.AsyncClient) -> None:
    await add_delivery(database, "d1", body=KEPT, status="rejected")
    await add_delivery(database, "d2", body=b"{", status="rejected")
    with capture_logs() as events:
        answer = await api_operator.post("/api/deliveries/d1/replay")
    assert answer.json() == {
        "delivery_id": "d1",
        "recordings": [{"id": "a", "state": "pending"}, {"id": "b", "state": "pending"}],
        "rejected": [],
        "note": None,
    }
    (noted,) = [event for event in events if event["event"] == "delivery_replayed"]
    assert (noted["delivery_id"], noted["recordings"], noted["token_name"]) == ("d1", 2, "alice")
    assert_problem(await api_operator.post("/api/deliveries/d2/replay"), 422, "the body is not JSON")
    assert_problem(await api_operator.post("/api/deliveries/none/replay"), 404, "there is no delivery none")


@ON_SQLITE  # the API's test asks both
async def test_by_the_page(database: Database, operator: httpx.AsyncClient) -> None:
    await add_delivery(database, "d1", body=KEPT, status="rejected", reason="the body is not JSON: <b>")
    shown = (await operator.get("/deliveries/d1")).text
    assert 'action="/deliveries/d1/replay"' in shown
    assert "the body is not JSON: &lt;b&gt;" in shown
    answer = await post(operator, "/deliveries/d1/replay")
    assert (answer.status_code, answer.headers["location"]) == (303, "/deliveries/d1")
    assert await _state(database, "a") is State.PENDING
    assert "the body is not JSON" not in (await operator.get("/deliveries/d1")).text
