"""How far transfers are, as the catalogue reads it from the ledger of their parts, on both databases."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Filters, Interventions, Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.progress import Transfer
from receiver.records import Failure, OpenUpload, RecordingId, State, UnfinishedUpload, UploadedPart, UrlOrigin
from receiver.tables import recordings, upload_parts
from tests.support.clock import NOW
from tests.support.intake import STORED, accept
from tests.support.payloads import payload

A = RecordingId("a")
UPLOAD = UnfinishedUpload(
    upload=OpenUpload(key="k.mp4", upload_id="u"), part_size_bytes=50, source_etag='"v1"', source_size_bytes=220
)
PARTS = tuple(
    UploadedPart(number=n, etag=f'"e{n}"', size_bytes=size_bytes, checksum=f"crc64nvme:{n}")
    for n, size_bytes in enumerate((50, 50, 50, 50, 20), 1)
)
WAITING = Decision(state=State.WAITING, attempts=1, next_attempt_at=NOW)
FAILED = Decision(state=State.FAILED, attempts=8, next_attempt_at=None)
FAILURE = Failure(code="source_denied", message="later", at=NOW)


@pytest.fixture
async def runs(database):
    await accept(Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True), payload("a"), now=NOW)
    return Runs(database)


@pytest.fixture
def transfer(database):
    async def read():
        return (await Catalogue(database).recording(A)).transfer

    return read


async def begun(runs, upload=UPLOAD):
    claim = await runs.claim(A, now=NOW)
    await runs.note_upload(claim, "k.mp4", upload, UrlOrigin.API)
    return claim


async def interrupted(runs, parts=2):
    """Have a run store so many parts, fast, and end without a word."""
    claim = await begun(runs)
    for part in PARTS[:parts]:
        await runs.note_parts(claim, [part], elapsed_s=0.001)
    return claim


async def test_bytes_grow_with_each_part_and_end_with_the_run(runs, transfer):
    assert await transfer() is None
    claim = await begun(runs)
    assert await transfer() == Transfer(bytes_done=0, size_bytes=220)
    await runs.note_parts(claim, [PARTS[1]], elapsed_s=2)
    assert await transfer() == Transfer(bytes_done=50, size_bytes=220, sent_bytes=50, elapsed_s=2)
    await runs.note_parts(claim, [PARTS[0]], elapsed_s=2.5)  # parts are stored in any order
    await runs.note_parts(claim, [PARTS[0]], elapsed_s=4)  # and one may be stored twice
    found = await transfer()
    assert found == Transfer(bytes_done=100, size_bytes=220, sent_bytes=100, elapsed_s=4)
    assert (found.rate_bytes_s, found.eta_s) == (25.0, 4.8)
    await runs.finish(claim, STORED, now=NOW)
    assert await transfer() is None


async def test_reading_back_shows_until_the_run_ends_or_begins_anew(runs, transfer):
    claim = await begun(runs)
    await runs.note_read_back(claim, 70)
    assert (await transfer()).read_back_bytes == 70
    await runs.note_upload(claim, "k.mp4", UPLOAD, UrlOrigin.API)
    assert (await transfer()).read_back_bytes is None
    await runs.note_read_back(claim, 220)
    await runs.finish(claim, STORED, now=NOW)
    assert await transfer() is None


async def test_parts_of_an_earlier_run_are_done_but_not_this_runs_speed(runs, transfer):
    await interrupted(runs)
    again = await begun(runs, replace(UPLOAD, parts=PARTS[:2]))
    assert await transfer() == Transfer(bytes_done=100, size_bytes=220)
    await runs.note_parts(again, [PARTS[2]], elapsed_s=10)
    found = await transfer()
    assert found == Transfer(bytes_done=150, size_bytes=220, sent_bytes=50, elapsed_s=10)
    assert (found.rate_bytes_s, found.eta_s) == (5.0, 14.0)


async def test_a_run_that_took_over_has_no_rate_before_it_sends(runs, transfer):
    await interrupted(runs)
    await runs.claim(A, now=NOW)
    assert await transfer() == Transfer(bytes_done=100, size_bytes=220)


async def test_an_upload_begun_anew_begins_at_nothing(runs, transfer):
    await interrupted(runs)
    await begun(runs, replace(UPLOAD, upload=OpenUpload(key="k.mp4", upload_id="u2")))
    assert await transfer() == Transfer(bytes_done=0, size_bytes=220)


@pytest.mark.parametrize(
    ("parts", "ending", "left"),
    [
        (2, WAITING, Transfer(bytes_done=100, size_bytes=220)),
        (0, WAITING, None),
        (2, "hand back", Transfer(bytes_done=100, size_bytes=220)),
        (2, FAILED, None),
    ],
    ids=["waiting", "waiting with nothing", "handed back", "failed"],
)
async def test_what_waits_shows_the_parts_it_may_go_on_with_and_no_rate(runs, transfer, parts, ending, left):
    claim = await interrupted(runs, parts)
    await (runs.settle(claim, ending, FAILURE) if isinstance(ending, Decision) else runs.hand_back(claim, now=NOW))
    assert await transfer() == left


async def test_a_cancelled_recording_has_no_transfer(database, runs, transfer):
    await runs.settle(await interrupted(runs), WAITING, FAILURE)
    await Interventions(database).cancel(A)
    assert await transfer() is None


async def test_a_file_stored_in_one_request_has_no_transfer(runs, transfer):
    await begun(runs, None)
    assert await transfer() is None


async def test_parts_noted_by_the_release_before_this_count_as_done(database, runs, transfer):
    """It may run beside this one on the new schema, and says neither who stored a part nor when."""
    await interrupted(runs)
    await database.write(lambda tx: tx.execute(sa.update(upload_parts).values(fence=None, elapsed_s=None)))
    assert await transfer() == Transfer(bytes_done=100, size_bytes=220)


@contextmanager
def statements(database):
    """Collect the statements that the block sends."""
    sent = []

    def note(_connection, _cursor, statement, *_):
        sent.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize(("state", "reads"), [(State.ARCHIVED, 0), (State.ARCHIVING, 1), (State.WAITING, 1)])
async def test_a_page_of_a_thousand_reads_the_ledger_once_or_not_at_all(database, state, reads):
    same = {
        "meeting_id": "m",
        "search_text": "",
        "state": state,
        "fence": 1,
        "source_size_bytes": None if state is State.ARCHIVED else 220,
        "first_seen_via": "webhook",
        "first_seen_at": NOW,
        **dict.fromkeys(("object_bucket", "object_key", "sha256", "checksum", "content_type"), "x"),
        "size_bytes": 220,
    }
    ids = [f"r{n:04}" for n in range(1000)]
    part = {"number": 1, "etag": "e", "size_bytes": 50, "checksum": "c", "fence": 1, "elapsed_s": 2.0}

    def change(tx):
        rows = [{"id": i, "created_at": NOW + timedelta(seconds=n), **same} for n, i in enumerate(ids)]
        tx.execute(sa.insert(recordings), rows)
        tx.execute(sa.insert(upload_parts), [{"recording_id": i, **part} for i in ids])

    await database.write(change)
    with statements(database) as sent:
        page = await Catalogue(database).page(Filters(), limit=1000)
    assert sum("upload_parts" in statement for statement in sent) == reads
    assert [item.id for item in page.items] == ids[::-1]
    done = [item.transfer.bytes_done if item.transfer else None for item in page.items]
    assert done == [50 if reads else None] * 1000
