"""A store that refuses what it took before is tried again, and what waits for it is not given up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from receiver.catalogue import Catalogue, Runs
from receiver.errors import StoreUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import RetryPolicy
from receiver.objectstore import BucketConfig, open_bucket
from receiver.pipeline import KeyTemplate, Pipeline, PipelineParts
from receiver.records import RecordingId, State
from tests.support.clock import NOW
from tests.support.copying import run_of
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.source_server import Content, SourceServer, ranged
from tests.support.store_proxy import Rule, StoreProxy, s3_error

A = RecordingId("a")


class Knowledge:
    """Knows of the bucket what the test says."""

    def __init__(self, *, is_away: bool = False, is_changed: bool = False) -> None:
        self._is_away = is_away
        self._is_changed = is_changed

    async def ready(self) -> None:
        if self._is_away:
            raise StoreUnavailableError("nobody answers")

    async def is_changed(self) -> bool:
        return self._is_changed


@pytest.fixture
async def ended(seaweed, bucket, database):
    """Run a recording whose PUT the store refuses as lacking; return it as it then is."""

    async def run_with(knowledge):
        content = Content(1000)
        async with (
            SourceServer(lambda r: ranged(content, r)) as source,
            StoreProxy(seaweed.endpoint_url) as proxy,
            open_bucket(
                BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region=seaweed.region)
            ) as opened,
            run_of(source.url()) as copying,
        ):
            proxy.rules.append(Rule("^PUT ", answer=s3_error(501, "NotImplemented")))
            inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
            url = source.url("/a?Expires=9999999999&Signature=s1gn")
            await accept(inbox, payload("a", download_url=url), now=NOW)
            pipeline = Pipeline(
                PipelineParts(
                    runs=Runs(database),
                    api=None,
                    copier=copying.copier,
                    bucket=opened,
                    store=knowledge,
                    keys=KeyTemplate("", "recordings/{recording_id}"),
                    retries=RetryPolicy(max_attempts=8, base_s=0, cap_s=0),
                    listing_grace_s=60,
                    note_every_s=0,
                    clock=lambda: datetime.now(UTC),
                    jitter=lambda: 0.5,
                )
            )
            await pipeline.run(A)
            return await Catalogue(database).recording(A), proxy.lines

    return run_with


async def test_what_a_store_refuses_that_does_as_before_is_the_recordings_end(ended):
    recording, _ = await ended(Knowledge())
    assert (recording.state, recording.error.code) == (State.FAILED, "store_refused")
    assert "501 NotImplemented" in recording.error.message
    assert "STORAGE_CLASS" not in recording.error.message


async def test_what_a_store_refuses_that_has_changed_is_tried_again_uncounted(ended):
    recording, _ = await ended(Knowledge(is_changed=True))
    assert (recording.state, recording.error.code, recording.attempts) == (State.WAITING, "store_unavailable", 0)
    assert "was tried anew" in recording.error.message


async def test_while_it_is_not_known_what_the_bucket_can_do_nothing_is_sent_and_nothing_counted(ended):
    recording, lines = await ended(Knowledge(is_away=True))
    assert (recording.state, recording.error.code, recording.attempts) == (State.WAITING, "store_unavailable", 0)
    assert lines == []
