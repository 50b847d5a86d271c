"""Intake on both databases: durable, once, and in any order."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver import metrics
from receiver.catalogue import Catalogue, Filters, Interventions, Runs
from receiver.errors import StorageUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.records import DeliveryStatus, Failure, NotedObject, RecordingId, State, UrlOrigin
from receiver.tables import Database, deliveries, open_database, recordings
from tests.support.clock import NOW
from tests.support.intake import STORED, accept
from tests.support.payloads import example, payload


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def _archive(database: Database, recording_id: str) -> None:
    runs = Runs(database)
    claim = await runs.claim(RecordingId(recording_id), now=NOW)
    assert claim is not None
    await runs.finish(claim, STORED, now=NOW)


async def _fail(database: Database, recording_id: str, state: State) -> None:
    runs = Runs(database)
    claim = await runs.claim(RecordingId(recording_id), now=NOW)
    assert claim is not None
    decision = Decision(state=state, attempts=1, next_attempt_at=None)
    await runs.settle(claim, decision, Failure(code="x", message="y", at=NOW))


async def test_the_example_is_stored_whole(database: Database, inbox: Inbox) -> None:
    accepted = await accept(inbox, example(), now=NOW)
    assert not accepted.duplicate
    assert accepted.recordings == (
        ("64ba8abeea1de683a37139fd", State.PENDING),
        ("64ba8acdea1de683a37139fe", State.PENDING),
    )
    catalogue = Catalogue(database)
    found = await catalogue.recording(RecordingId("64ba8acdea1de683a37139fe"))
    assert found.vendor.participant_ids == (6892473, 6892477)
    assert (found.meeting.name, found.host.email) == ("My meeting", "example-sam@email.com")
    assert (found.first_seen_via, found.first_seen_at, found.attempts) == ("webhook", NOW, 0)
    delivery = await catalogue.delivery(accepted.delivery_id)
    assert delivery.status is DeliveryStatus.ACCEPTED
    assert delivery.body_sha256 == hashlib.sha256(example()).hexdigest()
    assert delivery.recording_ids == tuple(r for r, _ in accepted.recordings)


async def test_the_same_body_again_is_the_first_delivery(database: Database, inbox: Inbox) -> None:
    first = await accept(inbox, example(), now=NOW)
    again = await accept(inbox, example(), now=NOW + timedelta(days=365))
    assert again.duplicate
    assert (again.delivery_id, again.recordings) == (first.delivery_id, first.recordings)


async def test_forty_at_once_are_one_delivery(database: Database, inbox: Inbox) -> None:
    answers = await asyncio.gather(*(accept(inbox, example(), now=NOW) for _ in range(40)))
    assert len({a.delivery_id for a in answers}) == 1
    assert [a.duplicate for a in answers].count(False) == 1
    for table, rows in ((deliveries, 1), (recordings, 2)):
        count = sa.select(sa.func.count()).select_from(table)
        assert await database.read(lambda tx, count=count: tx.execute(count).scalar_one()) == rows


async def test_permutations_and_supersets_at_once_make_one_row_a_recording(database: Database, inbox: Inbox) -> None:
    bodies = [payload(*ids) for n in (1, 2, 3) for ids in itertools.permutations(("a", "b", "c"), n)]
    await asyncio.gather(*(accept(inbox, body, now=NOW) for body in bodies))
    page = await Catalogue(database).page(Filters())
    assert sorted(r.id for r in page.items) == ["a", "b", "c"]


async def test_a_later_delivery_changes_nothing_that_is_archived(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a"), now=NOW)
    await _archive(database, "a")
    before = await Catalogue(database).recording(RecordingId("a"))
    answer = await accept(inbox, payload("a", "b", duration=99, updated_at="2027-01-01T00:00:00Z"), now=NOW)
    assert answer.recordings == (("a", State.ARCHIVED), ("b", State.PENDING))
    assert await Catalogue(database).recording(RecordingId("a")) == before


LATER = {"updated_at": "2026-11-22T11:00:00Z"}
WITHIN_THE_SECOND = {"updated_at": "2026-11-22T10:00:00.900Z"}
EARLIER = {"updated_at": "2026-11-22T09:00:00Z"}


@pytest.mark.parametrize(
    ("news", "counted"),
    [
        ({"file_uid": "f2"}, 1),
        (LATER, 1),
        ({"file_uid": "f2"} | EARLIER, 0),
        ({"duration": 99}, 0),
        ({"file_uid": None}, 0),
        (WITHIN_THE_SECOND, 0),
    ],
    ids=[
        "another file",
        "written later",
        "another file, reordered",
        "the same file",
        "a file that is not named",
        "a finer clock",
    ],
)
async def test_another_file_of_an_archived_recording_is_counted(
    database: Database, inbox: Inbox, news: dict, counted: int
) -> None:
    labels = {"outcome": "not_fetched"}
    before = metrics.registry.get_sample_value("receiver_changed_files_total", labels) or 0
    await accept(inbox, payload("a", file_uid="f1"), now=NOW)
    await _archive(database, "a")
    archived = await Catalogue(database).recording(RecordingId("a"))
    for _ in range(2):  # a resend is no more news
        await accept(inbox, payload("a", **{"file_uid": "f1", "x": 1} | news), now=NOW)
    assert (metrics.registry.get_sample_value("receiver_changed_files_total", labels) or 0) - before == counted
    assert await Catalogue(database).recording(RecordingId("a")) == archived


@pytest.mark.parametrize(
    ("news", "known"),
    [
        ({"file_uid": "f2"}, False),
        (LATER, False),
        ({"file_uid": "f2"} | EARLIER, True),
        ({"duration": 99}, True),
        (WITHIN_THE_SECOND, True),
    ],
    ids=["another file", "written later", "another file, reordered", "the same file", "a finer clock"],
)
@pytest.mark.parametrize("state", [State.FAILED, State.MISSING, State.WAITING])
async def test_an_object_that_was_not_recorded_is_not_that_of_another_file(
    database: Database, inbox: Inbox, news: dict, known: bool, state: State
) -> None:
    await accept(inbox, payload("a", file_uid="f1"), now=NOW)
    runs = Runs(database)
    claim = await runs.claim(RecordingId("a"), now=NOW)
    assert claim is not None
    noted = NotedObject(key="k.mp4", size_bytes=1, checksum="crc64nvme:x")
    await runs.note_object(claim, noted, None, UrlOrigin.API)
    decision = Decision(state=state, attempts=1, next_attempt_at=NOW if state is State.WAITING else None)
    await runs.settle(claim, decision, Failure(code="x", message="y", at=NOW))
    await accept(inbox, payload("a", **{"file_uid": "f1", "x": 1} | news), now=NOW)
    again = await runs.claim(RecordingId("a"), now=NOW)
    assert again is not None
    assert (again.key, again.noted) == ("k.mp4", noted if known else None)


async def test_of_two_deliveries_the_newer_facts_win_in_either_order(database: Database, inbox: Inbox) -> None:
    older = payload("a", duration=1, updated_at="2026-11-22T10:00:00Z")
    newer = payload("a", duration=2, updated_at="2026-11-22T11:00:00Z", participants_ids=[9])
    await accept(inbox, newer, now=NOW)
    await accept(inbox, older, now=NOW)
    found = await Catalogue(database).recording(RecordingId("a"))
    assert (found.vendor.duration_s, found.vendor.participant_ids) == (2, (9,))


@pytest.mark.parametrize("ids", [("a",), ("a", "b")], ids=["the very same body", "another body"])
@pytest.mark.parametrize("state", [State.FAILED, State.MISSING])
async def test_a_delivery_of_a_dead_recording_revives_it(
    database: Database, inbox: Inbox, state: State, ids: tuple[str, ...]
) -> None:
    await accept(inbox, payload("a"), now=NOW)
    await _fail(database, "a", state)
    answer = await accept(inbox, payload(*ids), now=NOW)
    assert answer.recordings == tuple((one, State.PENDING) for one in ids)
    found = await Catalogue(database).recording(RecordingId("a"))
    assert (found.state, found.attempts) == (State.PENDING, 0)


async def test_the_very_same_body_overwrites_nothing_that_was_said_since(database: Database, inbox: Inbox) -> None:
    first = payload("a", duration=1, updated_at=None)
    await accept(inbox, first, now=NOW)
    await accept(inbox, payload("a", duration=2, updated_at=None), now=NOW)
    await _fail(database, "a", State.FAILED)
    await accept(inbox, first, now=NOW)
    found = await Catalogue(database).recording(RecordingId("a"))
    assert (found.state, found.vendor.duration_s) == (State.PENDING, 2)


async def test_a_delivery_of_thousands_is_taken_whole_and_again(database: Database, inbox: Inbox) -> None:
    ids = tuple(f"r{n}" for n in range(2500))
    body = payload(*ids, participants_ids=list(range(20)))
    first = await accept(inbox, body, now=NOW)
    assert [one for one, _ in first.recordings] == list(ids)
    await _fail(database, "r2400", State.FAILED)
    again = await accept(inbox, body, now=NOW)
    assert (again.duplicate, again.delivery_id, again.recordings) == (True, first.delivery_id, first.recordings)
    delivery = await Catalogue(database).delivery(first.delivery_id)
    assert (delivery.recording_ids, delivery.recordings_count) == (ids, 2500)
    (listed,) = (await Catalogue(database).deliveries()).items
    assert (listed.recording_ids, listed.recordings_count) == (ids[:20], 2500)


async def test_news_of_several_dead_recordings_revives_them_all(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a", "b", "c"), now=NOW)
    for recording_id, state in (("a", State.FAILED), ("b", State.MISSING), ("c", State.FAILED)):
        await _fail(database, recording_id, state)
    answer = await accept(inbox, payload("a", "b", "c", x=1), now=NOW)
    assert dict(answer.recordings) == dict.fromkeys("abc", State.PENDING)
    items = (await Catalogue(database).page(Filters())).items
    assert [(item.state, item.attempts, item.next_attempt_at) for item in items] == [(State.PENDING, 0, NOW)] * 3


async def test_a_cancelled_recording_stays_cancelled(database: Database, inbox: Inbox) -> None:
    await accept(inbox, payload("a"), now=NOW)
    await Interventions(database).cancel(RecordingId("a"))
    answer = await accept(inbox, payload("a", "b"), now=NOW)
    assert answer.recordings[0] == ("a", State.CANCELLED)


async def test_a_bad_record_does_not_stop_the_good_ones(database: Database, inbox: Inbox) -> None:
    accepted = await accept(inbox, payload("a", "../b"), now=NOW)
    assert [r.index for r in accepted.rejected] == [1]
    delivery = await Catalogue(database).delivery(accepted.delivery_id)
    assert delivery.status is DeliveryStatus.PARTIAL
    assert delivery.rejected == accepted.rejected


async def test_what_is_not_a_payload_is_kept_for_replay(database: Database, inbox: Inbox) -> None:
    body = b'{"event": "something else"}'
    first = await inbox.keep_rejected(body, (), now=NOW)
    assert await inbox.keep_rejected(body, (), now=NOW) == first
    delivery = await Catalogue(database).delivery(first)
    assert (delivery.status, delivery.body) == (DeliveryStatus.REJECTED, body)


@pytest.mark.parametrize("keep_urls", [True, False])
async def test_url_signatures_are_kept_only_where_they_are_needed(database: Database, keep_urls: bool) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=keep_urls)
    body = json.dumps(
        {
            "meeting": {"_id": "m"},
            "callRecords": [
                {"_id": "a", "download_url": "https://h/v?AWSAccessKeyId=CANARY1&Expires=9&Signature=CANARY%2B2"},
                {"_id": "b", "download_url": "https://h/v?X-Amz-Credential=CANARY3%2Fx&X-Amz-Signature=CANARY4"},
            ],
        }
    ).encode()
    escaped = body.replace(b"&", b"\\u0026").replace(b"=", b"\\u003d").replace(b"https://", b"https:\\/\\/")
    for form in (body, escaped):
        accepted = await accept(inbox, form, now=NOW)
        stored = (await Catalogue(database).delivery(accepted.delivery_id)).body or b""
        assert b"CANARY" not in stored
        assert stored.count(b"REDACTED") == 4
        assert json.loads(stored)["callRecords"][0]["_id"] == "a"
    urls = await database.read(lambda tx: tx.execute(sa.select(recordings.c.payload_url)).scalars().all())
    assert [bool(url and "CANARY" in url) for url in urls] == [keep_urls, keep_urls]


async def test_a_database_that_is_gone_is_an_outage_not_a_defect(tmp_path, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        database = open_database(f"sqlite:///{tmp_path}/no/such/folder/receiver.db")
    else:
        database = open_database("postgresql://nobody@127.0.0.1:1/nothing")
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    with pytest.raises(StorageUnavailableError):
        await accept(inbox, example(), now=NOW)
    await database.close()


@pytest.mark.parametrize("keep_urls", [True, False])
async def test_the_download_host_is_noted_and_nothing_more_of_the_url(database: Database, keep_urls: bool) -> None:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=keep_urls)
    await accept(inbox, payload("a", download_url="https://X.example:8443/videos/a?Signature=s1gn"), now=NOW)
    await accept(inbox, payload("b", download_url="https://["), now=NOW)
    hosts = sa.select(recordings.c.source_host).order_by(recordings.c.id)
    assert await database.read(lambda tx: list(tx.execute(hosts).scalars())) == ["x.example:8443", None]
