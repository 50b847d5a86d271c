"""Holds on the objects themselves, in a bucket that was seen to mean it, and nothing sent to one that does not."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from receiver.app.check.bucket_abilities import legal_hold
from receiver.app.check.findings import Health
from receiver.catalogue import Catalogue, Holds, LockIndex
from receiver.objectstore import Bucket, BucketConfig, LockingBucket, open_bucket
from receiver.records import Actor, HoldScope, RecordingId
from receiver.retention import ObjectLocks
from receiver.tables import recordings
from tests.support.clock import NOW
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, add, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.sandbox.seaweed import SeaweedServer
    from receiver.tables import Database

BY = Actor("token:alice")
R1 = RecordingId("r1")
KEY = ".receiver-check/t-lock"
BYTES = b"a recording"


@pytest.fixture
async def locking(seaweed: SeaweedServer, aws_env: None) -> AsyncIterator[LockingBucket]:
    """Open a fresh bucket with Object Lock, as the service sees it."""
    name = f"locked-{secrets.token_hex(6)}"
    config = BucketConfig(bucket=name, endpoint_url=seaweed.endpoint_url, region=seaweed.region)
    async with open_bucket(config) as opened:
        await opened._client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        yield opened.again_as(LockingBucket)


async def keys(bucket: Bucket) -> list[str]:
    return [key async for key in bucket.keys("")]


async def test_a_bucket_that_means_it_is_found_out_on_an_object_of_our_own(locking: LockingBucket) -> None:
    assert await locking.try_locking(KEY) is None
    assert (await keys(locking), await locking.versions(KEY)) == ([], [])
    found = await legal_hold(locking, KEY)
    assert (found.state, "the deletion was refused" in found.seen) == (Health.OK, True)


async def test_what_a_killed_trial_left_locked_is_removed(locking: LockingBucket) -> None:
    head = await locking.put(KEY, BYTES, content_type="text/plain")
    assert head.version_id is not None
    await locking.set_hold(KEY, head.version_id, on=True)
    now = datetime.now(UTC)
    await locking.clear_locked(".receiver-check/", before=now - timedelta(hours=1))
    assert await keys(locking) == [KEY]
    await locking.clear_locked(".receiver-check/", before=now + timedelta(hours=1))
    assert await locking.versions(KEY) == []


async def test_a_bucket_without_it_is_sent_no_lock(bucket: Bucket) -> None:
    view = bucket.again_as(LockingBucket)
    assert await view.try_locking(KEY) == "the bucket does not say that Object Lock is on"
    assert await keys(bucket) == []
    found = await legal_hold(view, KEY)
    assert (found.state, "holds live in the index alone" in found.seen) == (Health.WARNING, True)


class Lying(LockingBucket):
    """A store that says that it locks."""

    async def _says_that_it_locks(self) -> bool:
        return True


class Careless(Lying):
    """One that confirms a lock, and deletes what it has locked; the object is written anew by its request."""

    async def set_hold(self, key: str, version_id: str, *, on: bool) -> None:
        del version_id
        if on:
            await self.replace(key, b"<LegalHold/>", content_type="text/plain")


class Forgetful(Lying):
    """One that confirms a lock and does nothing."""

    async def set_hold(self, key: str, version_id: str, *, on: bool) -> None: ...


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Lying, "names no version of what it stores"),
        (Forgetful, "it deleted an object that it had locked"),
    ],
)
async def test_a_store_that_only_says_so_is_not_believed(
    bucket: Bucket, locking: LockingBucket, kind: type[LockingBucket], told: str
) -> None:
    there = bucket if kind is Lying else locking  # the former keeps no versions
    assert told in str(await there.again_as(kind).try_locking(KEY))
    assert await keys(there) == []


async def test_a_store_that_writes_the_request_over_the_bytes_is_found_out(locking: LockingBucket) -> None:
    class Overwriting(Careless):
        async def read(self, key: str, *, version_id: str | None = None) -> AsyncIterator[bytes]:
            del version_id  # it keeps one
            async for chunk in super().read(key):
                yield chunk

    assert await locking.again_as(Overwriting).try_locking(KEY) == "the request to lock changed the object's bytes"
    assert await keys(locking) == []


@pytest.fixture
async def recorded(database: Database, locking: LockingBucket) -> str:
    """Store an object and its row; return its version."""
    head = await locking.put("r1.mp4", BYTES, content_type="video/mp4")
    stored = {"object_key": head.key, "object_version_id": head.version_id, "object_bucket": locking.name}
    await add(database, row("r1", **ARCHIVED | stored), row("r2", **ARCHIVED | {"object_version_id": None}))
    assert head.version_id is not None
    return head.version_id


def following(database: Database, bucket: LockingBucket) -> ObjectLocks:
    return ObjectLocks(index=LockIndex(database), bucket=bucket, trial_key=lambda: KEY, clock=lambda: NOW)


@ON_SQLITE  # what is asked of the index is a partial index's on both
async def test_the_objects_lock_follows_the_holds(database: Database, locking: LockingBucket, recorded: str) -> None:
    holds, locks = Holds(database), following(database, locking)
    hold = await holds.add(HoldScope.MEETING, "m1", reason="a case", by=BY, now=NOW)
    await locks.follow()
    assert (await Catalogue(database).recording(R1)).object_locked
    with pytest.raises(ClientError):
        await locking._client.delete_object(Bucket=locking.name, Key="r1.mp4", VersionId=recorded)
    await locks.follow()  # nothing is left to be done
    await holds.release(hold.id, reason=None, by=BY, now=NOW)
    await locks.follow()
    assert not (await Catalogue(database).recording(R1)).object_locked
    await locking._client.delete_object(Bucket=locking.name, Key="r1.mp4", VersionId=recorded)
    events = (await Catalogue(database).history(R1)).events
    assert [one.action for one in events if one.actor == "object-lock"] == ["object_locked", "object_unlocked"]


@ON_SQLITE  # as above
@pytest.mark.usefixtures("recorded")
async def test_where_the_store_does_not_mean_it_the_hold_lives_in_the_index_alone(
    database: Database, locking: LockingBucket
) -> None:
    await Holds(database).add(HoldScope.RECORDING, "r1", reason="a case", by=BY, now=NOW)
    careless = locking.again_as(Forgetful)
    with capture_logs() as logged:
        await following(database, careless).follow()
    assert [one["event"] for one in logged] == ["object_lock_not_usable"]
    assert await database.read(lambda tx: tx.execute(sa.select(recordings.c.object_locked)).scalars().all()) == [
        False,
        False,
    ]
    assert b"".join([chunk async for chunk in locking.read("r1.mp4")]) == BYTES
