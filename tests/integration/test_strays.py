"""Uploads that nobody claims are ended; what a run has begun, or may go on with, never is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from receiver import metrics
from receiver.app import utc_now
from receiver.catalogue import Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.objectstore import Bucket
from receiver.pipeline import KeyTemplate, end_strays
from receiver.pipeline.strays import STRAY_AFTER
from receiver.records import Claim, Failure, OpenUpload, RecordingId, State, UnfinishedUpload, UrlOrigin
from receiver.tables import Database
from tests.support.intake import accept
from tests.support.payloads import payload

ROOT = "recordings/"


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


async def begun(bucket: Bucket, name: str) -> OpenUpload:
    return await bucket.begin_upload(f"{ROOT}{name}.mp4", content_type="video/mp4")


async def claimed(database: Database, recording_id: str) -> Claim:
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    await accept(inbox, payload(recording_id), now=utc_now())
    claim = await Runs(database).claim(RecordingId(recording_id), now=utc_now())
    assert claim is not None
    return claim


async def noted(database: Database, bucket: Bucket, recording_id: str) -> tuple[Claim, OpenUpload]:
    claim, upload = await claimed(database, recording_id), await begun(bucket, recording_id)
    unfinished = UnfinishedUpload(upload=upload, part_size_bytes=5, source_etag=None, source_size_bytes=9)
    await Runs(database).note_upload(claim, upload.key, unfinished, UrlOrigin.API)
    return claim, upload


async def settle(runs: Runs, claim: Claim, state: State) -> None:
    at = utc_now()
    decision = Decision(state=state, attempts=1, next_attempt_at=at if state is State.WAITING else None)
    await runs.settle(claim, decision, Failure(code="x", message="y", at=at))


async def swept(bucket: Bucket, runs: Runs, *, after: timedelta = STRAY_AFTER) -> set[OpenUpload]:
    """Sweep as if so much time had passed, and return what is left open."""
    later = utc_now() + after + timedelta(minutes=1)
    before = await bucket.open_uploads("")
    ended = await end_strays(bucket, runs, root=ROOT, now=later)
    left = await bucket.open_uploads("")
    assert ended == len(before) - len(left)
    return set(left)


async def test_what_recordings_with_work_have_noted_stays_and_all_else_goes(
    database: Database, runs: Runs, bucket: Bucket
) -> None:
    _, archiving = await noted(database, bucket, "archiving")
    claim, waiting = await noted(database, bucket, "waiting")
    await settle(runs, claim, State.WAITING)
    claim, pending = await noted(database, bucket, "pending")
    await runs.hand_back(claim, now=utc_now())
    claim, _ = await noted(database, bucket, "failed")
    await settle(runs, claim, State.FAILED)
    await begun(bucket, "archiving")  # a run before this one began it under the same key, and was killed
    await begun(bucket, "unknown")
    other = await bucket.begin_upload("elsewhere/a.mp4", content_type="video/mp4")
    counted = metrics.stray_uploads._value.get()
    assert await swept(bucket, runs) == {archiving, waiting, pending, other}
    assert metrics.stray_uploads._value.get() == counted + 3
    assert await swept(bucket, runs) == {archiving, waiting, pending, other}


async def test_what_has_just_begun_is_left_alone_though_no_row_names_it(
    database: Database, runs: Runs, bucket: Bucket
) -> None:
    await claimed(database, "a")
    upload = await begun(bucket, "a")
    assert await swept(bucket, runs, after=STRAY_AFTER - timedelta(minutes=10)) == {upload}
    assert await swept(bucket, runs) == set()


@pytest.mark.parametrize(
    ("prefix", "template", "root"),
    [
        ("", "recordings/{created_at:%Y}/{recording_id}", "recordings/"),
        ("team/", "recordings/{recording_id}", "team/recordings/"),
        ("team/", "{meeting_id}/{recording_id}", "team/"),
        ("", "{meeting_id}/{recording_id}", ""),
        ("", "a{{b/{recording_id}", "a{"),
    ],
)
def test_the_root_is_what_every_key_begins_with(prefix: str, template: str, root: str) -> None:
    assert KeyTemplate(prefix, template).root == root


async def test_the_bucket_takes_the_rule_of_the_deploy_folder(bucket: Bucket) -> None:
    rules = json.loads((Path(__file__).parents[2] / "deploy" / "s3-lifecycle.json").read_text())
    await bucket._client.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration=rules)
    (rule,) = (await bucket._client.get_bucket_lifecycle_configuration(Bucket=bucket.name))["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
