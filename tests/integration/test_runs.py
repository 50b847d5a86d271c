"""Fenced writes on both databases (P6), and the operators' changes beside them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Interventions, Runs
from receiver.errors import FenceLostError, NotAloneError, NotFoundError, WrongStateError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.pipeline.ledger import DownloadUrls, RowLedger
from receiver.records import (
    Claim,
    Failure,
    FreshUrl,
    NotedObject,
    OpenUpload,
    RecordingId,
    State,
    UnfinishedUpload,
    UploadedPart,
    UrlOrigin,
)
from receiver.tables import Database, recordings, upload_parts
from tests.support.clock import NOW
from tests.support.intake import STORED, accept
from tests.support.payloads import payload

A = RecordingId("a")
LATER = NOW + timedelta(minutes=1)
FAILURE = Failure(code="api_unavailable", message="later", at=NOW)
WAITING = Decision(state=State.WAITING, attempts=1, next_attempt_at=NOW)
FAILED = Decision(state=State.FAILED, attempts=8, next_attempt_at=None)
PARTS = tuple(UploadedPart(number=n, etag=f'"e{n}"', size_bytes=5, checksum=f"crc64nvme:{n}") for n in (1, 2))
UPLOAD = UnfinishedUpload(
    upload=OpenUpload(key="k.mp4", upload_id="u"), part_size_bytes=5, source_etag='"v1"', source_size_bytes=12
)
NOTED = NotedObject(key="k.mp4", size_bytes=10, checksum="crc64nvme:x")


@pytest.fixture
async def runs(database: Database) -> Runs:
    await accept(Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True), payload("a"), now=NOW)
    return Runs(database)


async def claimed(runs: Runs) -> Claim:
    claim = await runs.claim(A, now=NOW)
    assert claim is not None
    return claim


async def test_a_claim_counts_and_fences(runs: Runs) -> None:
    first = await claimed(runs)
    second = await claimed(runs)  # the first is taken for dead
    assert (first.attempt, second.attempt) == (1, 1), "a crash is no attempt"
    assert (first.crashes, second.crashes) == (0, 1)
    assert second.fence > first.fence
    assert second.recording.state is State.ARCHIVING


async def test_a_suspect_is_claimed_by_a_run_alone_and_counted_until_a_run_ends(runs: Runs) -> None:
    for _ in range(3):
        await claimed(runs)
    with pytest.raises(NotAloneError):
        await claimed(runs)
    alone = await runs.claim(A, now=NOW, is_alone=True)
    assert alone is not None
    assert (alone.attempt, alone.crashes, alone.took_over) == (1, 3, True)
    await runs.set_aside(alone, Decision(state=State.WAITING, attempts=0, next_attempt_at=LATER), FAILURE)
    assert await runs.claim(A, now=NOW) is None, "it is not due"
    with pytest.raises(NotAloneError):
        await runs.claim(A, now=LATER)
    again = await runs.claim(A, now=LATER, is_alone=True)
    assert again is not None
    assert (again.attempt, again.crashes, again.took_over) == (1, 3, False)
    outage = Decision(state=State.WAITING, attempts=0, next_attempt_at=NOW, is_outage=True)
    await runs.settle(again, outage, FAILURE)
    with pytest.raises(NotAloneError):
        await claimed(runs)
    ended = await runs.claim(A, now=NOW, is_alone=True)
    assert ended is not None
    await runs.settle(ended, WAITING, FAILURE)
    assert (await claimed(runs)).crashes == 0


async def test_a_run_whose_end_could_not_be_written_did_not_crash(runs: Runs) -> None:
    first = await claimed(runs)
    again = await runs.claim(A, now=NOW, abandoned=first.fence)
    assert again is not None
    assert (again.attempt, again.crashes) == (1, 0)


async def test_a_retry_of_a_set_aside_recording_is_alone_once_more(database: Database, runs: Runs) -> None:
    for _ in range(6):
        claim = await runs.claim(A, now=NOW, is_alone=True)
    assert claim is not None
    await runs.set_aside(claim, Decision(state=State.WAITING, attempts=0, next_attempt_at=LATER), FAILURE)
    await Interventions(database).retry(A, now=NOW)
    again = await runs.claim(A, now=NOW, is_alone=True)
    assert again is not None
    assert (again.crashes, again.took_over) == (3, False)


async def test_a_run_that_lost_its_fence_changes_nothing(database: Database, runs: Runs) -> None:
    lost, held = await claimed(runs), await claimed(runs)
    before = await Catalogue(database).recording(A)
    decision = Decision(state=State.FAILED, attempts=9, next_attempt_at=None)
    for write in (
        runs.finish(lost, STORED, now=NOW),
        runs.settle(lost, decision, FAILURE),
        runs.hand_back(lost, now=NOW),
        runs.note_upload(lost, "k.mp4", UPLOAD, UrlOrigin.API),
        runs.note_parts(lost, [PARTS[0]], elapsed_s=1),
        runs.note_object(lost, NOTED, UPLOAD, UrlOrigin.API),
        runs.forget_upload(lost),
    ):
        with pytest.raises(FenceLostError):
            await write
    assert await Catalogue(database).recording(A) == before
    await runs.finish(held, STORED, now=NOW)
    assert (await Catalogue(database).recording(A)).state is State.ARCHIVED


async def test_of_many_claims_at_once_every_one_has_its_own_fence(runs: Runs) -> None:
    claims = await asyncio.gather(*(runs.claim(A, now=NOW, is_alone=True) for _ in range(10)))
    assert sorted(c.fence for c in claims if c) == list(range(1, 11))


async def test_a_recording_is_not_claimed_before_its_time(database: Database, runs: Runs) -> None:
    await runs.settle(await claimed(runs), Decision(state=State.WAITING, attempts=1, next_attempt_at=LATER), FAILURE)
    assert await runs.claim(A, now=NOW) is None
    claim = await runs.claim(A, now=LATER)
    assert claim is not None
    assert claim.recording.error == FAILURE  # shown until the run has ended


async def test_a_finished_recording_has_no_error_and_no_url(database: Database, runs: Runs) -> None:
    claim = await claimed(runs)
    assert (claim.payload_url or "").endswith("Signature=s1gn")
    await runs.note_upload(claim, "k.mp4", UPLOAD, UrlOrigin.PAYLOAD)
    again = await claimed(runs)
    assert again.upload == UPLOAD
    await runs.finish(again, STORED, now=LATER)
    done = await Catalogue(database).recording(A)
    assert (done.archive, done.archived_at, done.error, done.url_origin) == (STORED, LATER, None, UrlOrigin.PAYLOAD)
    assert await runs.claim(A, now=LATER) is None


async def test_a_refused_origin_stays_on_the_row_until_a_run_archives_it(database: Database, runs: Runs) -> None:
    catalogue = Catalogue(database)
    refused = Failure(
        code="source_url_forbidden",
        message="whatever it says",
        at=NOW,
        origin="https://files.example.com:443",
        setting="RECEIVER_DOWNLOAD_HOSTS",
    )
    await runs.settle(await claimed(runs), FAILED, refused)
    assert (await catalogue.recording(A)).error == refused
    (source,) = await catalogue.refused_sources()
    assert (source.origin, source.setting) == (refused.origin, refused.setting)
    await Interventions(database).retry(A, now=NOW)
    await runs.finish(await claimed(runs), STORED, now=NOW)
    assert await catalogue.refused_sources() == []
    columns = sa.select(recordings.c.error_origin, recordings.c.error_setting)
    assert await database.read(lambda tx: tx.execute(columns).all()) == [(None, None)]


async def noted_parts(database: Database) -> int:
    return await database.read(lambda tx: len(tx.execute(sa.select(upload_parts)).all()))


async def uploading(runs: Runs) -> Claim:
    claim = await claimed(runs)
    await runs.note_upload(claim, "k.mp4", UPLOAD, UrlOrigin.API)
    for part in (PARTS[1], replace(PARTS[0], etag='"first try"'), PARTS[0]):  # in any order; the last word counts
        await runs.note_parts(claim, [part], elapsed_s=1)
    return claim


async def test_another_run_is_told_the_upload_and_its_parts(runs: Runs) -> None:
    await uploading(runs)
    again = await claimed(runs)
    assert again.upload == replace(UPLOAD, parts=PARTS)
    assert again.key == "k.mp4"
    await runs.note_upload(again, "k.mp4", replace(UPLOAD, parts=PARTS[:1]), UrlOrigin.API)  # it goes on
    assert (await claimed(runs)).upload == replace(UPLOAD, parts=PARTS)


@pytest.mark.parametrize("other", [None, replace(UPLOAD, upload=OpenUpload(key="k.mp4", upload_id="u2"))])
async def test_the_parts_of_another_upload_are_forgotten(
    database: Database, runs: Runs, other: UnfinishedUpload | None
) -> None:
    await uploading(runs)
    await runs.note_upload(await claimed(runs), "k.mp4", other, UrlOrigin.API)
    assert (await claimed(runs)).upload == other
    assert await noted_parts(database) == 0


@pytest.mark.parametrize(("ending", "left"), [(WAITING, 2), (FAILED, 0), ("hand back", 2), ("finish", 0)])
async def test_no_part_is_remembered_beyond_the_last_run(
    database: Database, runs: Runs, ending: Decision | str, left: int
) -> None:
    claim = await uploading(runs)
    if isinstance(ending, Decision):
        await runs.settle(claim, ending, FAILURE)
    else:
        await (runs.finish(claim, STORED, now=NOW) if ending == "finish" else runs.hand_back(claim, now=NOW))
    assert await noted_parts(database) == left
    if ending == FAILED:
        await Interventions(database).retry(A, now=NOW)
        assert (await claimed(runs)).upload is None


async def test_another_run_is_told_what_was_to_be_the_object_until_a_copy_begins_anew(
    database: Database, runs: Runs
) -> None:
    claim = await uploading(runs)
    assert claim.noted is None
    await runs.note_object(claim, NOTED, UPLOAD, UrlOrigin.API)
    await runs.settle(claim, WAITING, FAILURE)
    again = await claimed(runs)
    assert (again.noted, again.upload) == (NOTED, replace(UPLOAD, parts=PARTS)), "killed before it was one, it goes on"
    await runs.note_upload(again, "k.v2.mp4", None, UrlOrigin.API)
    anew = await claimed(runs)
    assert (anew.key, anew.noted) == ("k.v2.mp4", None)
    await runs.note_object(anew, replace(NOTED, key="k.v3.mp4"), None, UrlOrigin.API)
    assert (await claimed(runs)).noted == replace(NOTED, key="k.v3.mp4")
    assert (await Catalogue(database).recording(A)).archive is None


async def test_an_upload_that_was_ended_leaves_no_part_behind(database: Database, runs: Runs) -> None:
    claim = await uploading(runs)
    await runs.forget_upload(claim)
    assert await noted_parts(database) == 0
    await runs.settle(claim, WAITING, FAILURE)
    assert (await Catalogue(database).recording(A)).transfer is None
    again = await claimed(runs)
    assert (again.key, again.upload) == ("k.mp4", None)


async def test_an_archived_row_names_the_file_that_was_copied(database: Database, runs: Runs) -> None:
    """A delivery names another one while the copy runs."""
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
    claim = await claimed(runs)
    copied = (claim.recording.vendor.file_uid, claim.recording.vendor.updated_at)
    await accept(inbox, payload("a", file_uid="f2", updated_at="2026-11-22T11:00:00Z"), now=NOW)
    noted = await runs.note_object(claim, NOTED, None, UrlOrigin.API)  # the manifest says the same
    assert (noted.vendor.file_uid, noted.vendor.updated_at) == copied
    await accept(inbox, payload("a", file_uid="f3", updated_at="2026-11-22T12:00:00Z"), now=NOW)
    await runs.finish(claim, STORED, now=LATER)
    done = await Catalogue(database).recording(A)
    assert (done.vendor.file_uid, done.vendor.updated_at) == copied


async def test_an_upload_noted_without_its_cut_is_not_gone_on_with(database: Database, runs: Runs) -> None:
    """The release before this one notes nothing but the upload's id, and may run beside it on the new schema."""
    await uploading(runs)
    await database.write(lambda tx: tx.execute(sa.update(recordings).values(upload_part_size_bytes=None)))
    assert (await claimed(runs)).upload is None


async def test_an_interrupted_run_is_not_counted(database: Database, runs: Runs) -> None:
    await runs.hand_back(await claimed(runs), now=NOW)
    assert (await Catalogue(database).recording(A)).attempts == 0
    assert (await claimed(runs)).attempt == 1


async def test_replay_starts_anew(database: Database, runs: Runs) -> None:
    interventions = Interventions(database)
    with pytest.raises(WrongStateError, match="pending cannot become pending"):
        await interventions.retry(A, now=NOW)
    claim = await claimed(runs)
    with pytest.raises(WrongStateError, match="archiving cannot become pending"):
        await interventions.retry(A, now=NOW)
    await runs.settle(claim, Decision(state=State.FAILED, attempts=8, next_attempt_at=None), FAILURE)
    revived = await interventions.retry(A, now=NOW)
    assert (revived.state, revived.attempts, revived.error) == (State.PENDING, 0, FAILURE)
    assert (await claimed(runs)).attempt == 1


async def test_cancelling_takes_the_fence_from_nobody_running(database: Database, runs: Runs) -> None:
    interventions = Interventions(database)
    claim = await claimed(runs)
    with pytest.raises(WrongStateError, match="archiving cannot become cancelled"):
        await interventions.cancel(A)
    await runs.hand_back(claim, now=NOW)
    assert (await interventions.cancel(A)).state is State.CANCELLED
    assert await runs.claim(A, now=LATER) is None


async def test_an_unknown_id_is_not_found(database: Database, runs: Runs) -> None:
    assert await runs.claim(RecordingId("nobody"), now=NOW) is None
    for call in (Catalogue(database).recording, Interventions(database).cancel):
        with pytest.raises(NotFoundError, match="nobody"):
            await call(RecordingId("nobody"))


async def test_the_host_that_a_run_meets_takes_the_place_of_the_payloads(database: Database, runs: Runs) -> None:
    async def noted() -> str | None:
        return await database.read(lambda tx: tx.execute(sa.select(recordings.c.source_host)).scalar_one())

    claim = await claimed(runs)
    await runs.note_upload(claim, "k.mp4", UPLOAD, UrlOrigin.PAYLOAD)
    assert await noted() == "x.s3.amazonaws.com"
    await runs.note_upload(claim, "k.mp4", UPLOAD, UrlOrigin.API, source_host="y.example")
    assert await noted() == "y.example"


async def test_the_ledger_notes_whence_the_copy_had_its_last_url(database: Database, runs: Runs) -> None:
    given = iter(
        FreshUrl(url=f"https://{host}/a?Signature=s1gn", expires_at=LATER, origin=origin)
        for host, origin in (("y.example", UrlOrigin.PAYLOAD), ("z.example:8443", UrlOrigin.API))
    )

    async def ask(_rejected: FreshUrl | None) -> FreshUrl:
        return next(given)

    async def noted() -> tuple[str | None, ...]:
        query = sa.select(recordings.c.source_host, recordings.c.url_origin)
        return tuple(await database.read(lambda tx: tx.execute(query).one()))

    urls = DownloadUrls(ask)
    ledger = RowLedger(runs, await claimed(runs), urls, note_every_s=0, took=lambda _: None)
    rejected = await urls(None)
    await ledger.began(UPLOAD, "k.mp4")
    assert await noted() == ("y.example", UrlOrigin.PAYLOAD)
    await urls(rejected)
    await ledger.completing(NOTED)
    assert await noted() == ("z.example:8443", UrlOrigin.API)
