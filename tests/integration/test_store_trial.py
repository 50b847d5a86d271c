"""What a bucket can do is learnt by trying it, on objects that are gone afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from receiver.app.store import StoreLessons
from receiver.catalogue import StoreNotes
from receiver.errors import StoreUnavailableError
from receiver.objectstore import BucketConfig, learn, open_bucket
from receiver.records import Rung, StoreAbilities
from tests.support.clock import NOW
from tests.support.store_proxy import Rule, StoreProxy, s3_error

KEY = "recordings/.receiver-check/a-trial"
PUT = r"^PUT /[^?]*-trial(\?| )"


@pytest.fixture
async def proxied(seaweed, bucket):
    """Open the bucket through a proxy."""
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        config = BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region=seaweed.region, attempts=1)
        async with open_bucket(config) as opened:
            yield opened, proxy


async def nothing_is_left(bucket):
    return [key async for key in bucket.keys("")] == [] and await bucket.open_uploads("") == []


async def test_a_store_that_verifies_is_learnt_as_one_that_does_what_aws_documents(bucket):
    learnt = await learn(bucket, KEY, now=NOW)
    assert learnt.abilities == StoreAbilities()
    assert (learnt.at, learnt.is_sure) == (NOW, True)
    assert "SeaweedFS" in learnt.server
    assert await nothing_is_left(bucket)


async def test_a_wrong_checksum_that_is_taken_is_no_proof(proxied, bucket):
    opened, proxy = proxied
    taken = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
    proxy.rules[:] = [Rule(PUT, times=2), Rule(PUT, times=99, answer=taken)]
    learnt = await learn(opened, KEY, now=NOW)
    assert (learnt.abilities.put_proof, learnt.abilities.conditional_put) == (Rung.READ_BACK, False)
    assert learnt.abilities.upload_proof is Rung.CRC64NVME
    assert await nothing_is_left(bucket)


async def test_a_store_that_wants_a_checksum_with_each_part_gets_it_behind_the_bytes(proxied, bucket):
    """MinIO's and RustFS's rule."""
    opened, proxy = proxied
    proxy.rules.append(Rule(r"^PUT /[^?]*-trial-large\?.*partNumber=1\b", answer=s3_error(400, "InvalidArgument")))
    learnt = await learn(opened, KEY, now=NOW)
    assert learnt.abilities == StoreAbilities(part_trailers=True)
    assert await nothing_is_left(bucket)


async def test_a_store_that_refuses_to_be_asked_for_checksums_is_not_asked_for_them(proxied, bucket):
    """Backblaze B2's rule: 400 for x-amz-checksum-mode, and for the header of any checksum."""
    opened, proxy = proxied
    refused = b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n"
    proxy.rules.append(Rule("^HEAD /[^?]*-trial ", answer=refused))
    learnt = await learn(opened, KEY, now=NOW)
    assert learnt.abilities == StoreAbilities(head_checksums=False)
    opened.abilities = learnt.abilities
    await opened.head("k")
    assert b"checksum-mode" not in proxy.heads[-1].lower()


@pytest.mark.parametrize("answer", [s3_error(503, "SlowDown"), None], ids=["busy", "cut"])
async def test_a_store_that_is_away_teaches_nothing(proxied, bucket, answer):
    opened, proxy = proxied
    proxy.rules.append(Rule("-trial", times=999, answer=answer, lose_answer=answer is None))
    with pytest.raises(StoreUnavailableError):
        await learn(opened, KEY, now=NOW)
    proxy.rules.clear()
    proxy.rules += [Rule(PUT, times=2), Rule("-trial", times=999, answer=s3_error(503, "SlowDown"))]
    with pytest.raises(StoreUnavailableError):
        await learn(opened, KEY, now=NOW)


async def test_what_was_learnt_is_kept_for_all_processes_and_tried_again_where_the_store_changed(bucket, database):
    tried, now = [], [NOW]

    def lessons():
        def key():
            tried.append(f"{KEY}-{len(tried)}-trial")
            return tried[-1]

        return StoreLessons(bucket=bucket, notes=StoreNotes(database, "here team"), key=key, clock=lambda: now[0])

    first = lessons()
    await first.ready()
    await first.ready()
    await lessons().ready()
    assert len(tried) == 1
    assert not await first.is_changed(), "it was tried only now"
    now[0] += timedelta(hours=2)
    assert not await first.is_changed()
    assert len(tried) == 2
    noted = await StoreNotes(database, "here team").load()
    assert (noted.abilities, noted.at) == (StoreAbilities(), now[0])
    assert await StoreNotes(database, "there team").load() is None
    bucket.server = "another"  # as the store's last answer would have told
    now[0] += timedelta(hours=2)
    await first.ready()
    assert len(tried) == 2, "asked again, it calls itself as before"
    assert bucket.server == noted.server


async def test_what_a_killed_trial_left_is_removed_once_it_cannot_be_at_work(bucket, database):
    now = [datetime.now(UTC)]
    lessons = StoreLessons(bucket=bucket, notes=StoreNotes(database, "x"), key=lambda: KEY, clock=lambda: now[0])
    await bucket.begin_upload(f"{KEY}-large", content_type="text/plain")
    await bucket.put(KEY, b"left", content_type="text/plain")
    await bucket.put("recordings/.receiver-check/somebodys", b"kept", content_type="text/plain")
    await lessons.clear()
    assert await bucket.head(KEY) is not None, "another process may be at it"
    now[0] += timedelta(hours=1)
    await lessons.clear()
    assert [key async for key in bucket.keys("")] == ["recordings/.receiver-check/somebodys"]
    assert await bucket.open_uploads("") == []
