"""Retention of the objects themselves until they are due, which an erasure bypasses and nothing else does."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from receiver.app.check.bucket_abilities import legal_hold
from receiver.app.check.findings import Health
from receiver.catalogue import Catalogue, LockIndex
from receiver.errors import StoreDeniedError, StoreRefusedError
from receiver.objectstore import Bucket, BucketConfig, LockingBucket, open_bucket
from receiver.records import RecordingId, RetentionPeriod, State
from receiver.retention import ObjectLocks
from receiver.tables import recordings
from tests.support.databases import ON_SQLITE
from tests.support.erasing import BY, REASON, erasure_of
from tests.support.operators import ARCHIVED, NOW, add, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.records import FileVersion
    from receiver.sandbox.seaweed import SeaweedServer
    from receiver.tables import Database

R1 = RecordingId("r1")
KEY, OBJECT = ".receiver-check/t-lock", "recordings/r1.mp4"
YEARS = RetentionPeriod(days=timedelta(days=3650), grace=timedelta(days=14))
UNTIL = NOW + YEARS.days


@pytest.fixture
async def locking(seaweed: SeaweedServer, aws_env: None) -> AsyncIterator[LockingBucket]:
    """Open a fresh bucket with Object Lock, as the service sees it."""
    name = f"locked-{secrets.token_hex(6)}"
    config = BucketConfig(bucket=name, endpoint_url=seaweed.endpoint_url, region=seaweed.region)
    async with open_bucket(config) as opened:
        await opened._client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        yield opened.again_as(LockingBucket)


@pytest.fixture
async def recorded(database: Database, locking: LockingBucket) -> str:
    """Store an object and its row, beside those of which nothing can be retained; return its version."""
    head = await locking.put(OBJECT, b"a recording", content_type="video/mp4")
    here = {"object_key": OBJECT, "object_version_id": head.version_id, "object_bucket": locking.name}
    gone = here | {"object_key": "recordings/r0.mp4"}
    await add(
        database,
        row("r0", **ARCHIVED | gone),  # the store has no such version: it must not keep the others waiting
        row("r1", **ARCHIVED | here),
        row("r2", **ARCHIVED | {"object_version_id": None}),
        row("r3", **ARCHIVED, created_at=NOW - timedelta(days=5000), first_seen_at=NOW - timedelta(days=5000)),
        row("r4"),
    )
    assert head.version_id is not None
    return head.version_id


def following(database: Database, bucket: LockingBucket, period: RetentionPeriod = YEARS, **parts: Any) -> ObjectLocks:
    index = parts.get("index") or LockIndex(database)
    return ObjectLocks(index=index, bucket=bucket, trial_key=lambda: KEY, clock=lambda: NOW, period=period)


async def told(bucket: LockingBucket, version_id: str) -> datetime:
    """Ask the store until when it retains the version."""
    answer = await bucket._client.get_object_retention(Bucket=bucket.name, Key=OBJECT, VersionId=version_id)
    assert answer["Retention"]["Mode"] == "GOVERNANCE"
    return answer["Retention"]["RetainUntilDate"].astimezone(UTC)


async def noted(database: Database) -> dict[str, tuple[int, datetime | None]]:
    columns = sa.select(recordings.c.id, recordings.c.retained_days, recordings.c.retained_until)
    rows = await database.read(lambda tx: tx.execute(columns.order_by(recordings.c.id)).all())
    return {one.id: (one.retained_days, one.retained_until) for one in rows}


async def acts(database: Database, action: str) -> int:
    return [one.action for one in (await Catalogue(database).history(R1)).events].count(action)


async def test_each_object_is_retained_until_it_is_due(
    database: Database, locking: LockingBucket, recorded: str
) -> None:
    locks = following(database, locking)
    with capture_logs() as logged:
        await locks.follow()
    assert [(one["event"], one["recording_id"]) for one in logged] == [("object_not_retained", "r0")]
    days = YEARS.days.days
    assert await noted(database) == {
        "r0": (0, None),
        "r1": (days, UNTIL),
        "r2": (0, None),
        "r3": (days, None),  # due already: nothing was asked of the store
        "r4": (0, None),
    }
    assert await told(locking, recorded) == UNTIL
    with pytest.raises(ClientError):
        await locking._client.delete_object(Bucket=locking.name, Key=OBJECT, VersionId=recorded)
    await locks.follow()  # nothing but what was refused is asked again
    assert await acts(database, "object_retained") == 1


@ON_SQLITE  # what is asked of the index is a partial index's on both
async def test_more_days_are_followed_and_fewer_are_not(
    database: Database, locking: LockingBucket, recorded: str
) -> None:
    await following(database, locking).follow()
    longer, shorter = replace(YEARS, days=YEARS.days * 2), replace(YEARS, days=YEARS.days / 2)
    await following(database, locking, longer).follow()
    assert (await told(locking, recorded), (await noted(database))["r1"][1]) == (NOW + longer.days, NOW + longer.days)
    await following(database, locking, shorter).follow()
    assert (await noted(database))["r1"] == (longer.days.days, NOW + longer.days)
    # an index that was made anew knows of none, and the store refuses to shorten it: what it says is noted
    await database.write(lambda tx: tx.execute(sa.update(recordings).values(retained_days=0, retained_until=None)))
    await following(database, locking, shorter).follow()
    assert (await noted(database))["r1"] == (shorter.days.days, NOW + longer.days)


@ON_SQLITE  # as above
async def test_a_process_that_is_killed_between_the_store_and_the_note_repeats_it(
    database: Database, locking: LockingBucket, recorded: str
) -> None:
    class Killed(LockIndex):
        async def note_retained(self, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        await following(database, locking, index=Killed(database)).follow()
    await database.write(lambda tx: tx.execute(sa.delete(recordings).where(recordings.c.id == "r0")))
    with suppress(KeyboardInterrupt):
        await following(database, locking, index=Killed(database)).follow()
    assert (await told(locking, recorded), (await noted(database))["r1"]) == (UNTIL, (0, None))
    await following(database, locking).follow()
    assert (await noted(database))["r1"] == (YEARS.days.days, UNTIL)


@ON_SQLITE  # as above
async def test_a_whole_archive_is_retained_page_by_page_beside_what_is_refused(
    database: Database, locking: LockingBucket, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.retention.locks._PAGE_ROWS", 1)
    monkeypatch.setattr("receiver.retention.locks._MOST_PAGES", 1)
    locks = following(database, locking)
    await locks.follow()  # the one that is refused
    assert (await noted(database))["r1"] == (0, None)
    await locks.follow()
    assert (await noted(database))["r1"] == (YEARS.days.days, UNTIL)


@pytest.mark.parametrize("is_on", [True, False])
async def test_an_erasure_deletes_what_is_retained_and_leaves_nothing(
    database: Database, locking: LockingBucket, recorded: str, is_on: bool
) -> None:
    """Whether the setting is on, and the index was not told yet, or was switched off since."""
    if is_on:
        await locking.set_retention(OBJECT, recorded, until=UNTIL)
    else:
        await following(database, locking).follow()
    erasure = replace(erasure_of(locking, database), retains=is_on)
    certificate = await erasure.erase([R1], by=BY, reason=REASON)
    assert [one.refused_because for one in certificate.recordings] == [None]
    assert [one.key for one in await locking.files_under("recordings/r1")] == []
    found = await Catalogue(database).recording(R1)
    assert (found.state, found.error, (await noted(database))["r1"][1]) == (State.ERASED, None, None)


@ON_SQLITE  # as above
async def test_what_somebody_else_had_retained_is_not_bypassed(
    database: Database, locking: LockingBucket, recorded: str
) -> None:
    await locking.set_retention(OBJECT, recorded, until=UNTIL)
    await erasure_of(locking, database).erase([R1], by=BY, reason=REASON)
    found = await Catalogue(database).recording(R1)
    assert found.error is not None
    assert found.error.code == "erasure_unfinished"
    assert await told(locking, recorded) == UNTIL


class Keeping(LockingBucket):
    """A store that grants nobody the bypass."""

    async def delete_version(self, file: FileVersion, *, bypass: bool = False) -> None:
        if bypass:
            raise StoreDeniedError("DeleteObject: AccessDenied, no s3:BypassGovernanceRetention")
        await super().delete_version(file)


@ON_SQLITE  # as above
async def test_a_refused_bypass_stays_visible_with_its_reason_and_is_tried_again(
    database: Database, locking: LockingBucket, recorded: str
) -> None:
    await following(database, locking).follow()
    await erasure_of(locking.again_as(Keeping), database).erase([R1], by=BY, reason=REASON)
    found = await Catalogue(database).recording(R1)
    assert (found.state, await told(locking, recorded)) == (State.ERASED, UNTIL)
    assert found.error is not None
    assert found.error.code == "erasure_unfinished"
    assert "no s3:BypassGovernanceRetention" in found.error.message
    await erasure_of(locking, database, later=timedelta(hours=2)).finish()  # granted by now
    assert (await Catalogue(database).recording(R1)).error is None
    assert await locking.files_under("recordings/r1") == []


async def test_a_bucket_that_means_it_is_found_out_and_nothing_is_left_there(locking: LockingBucket) -> None:
    assert await locking.try_locking(KEY, retaining=True) is None
    assert await locking.files_under("") == []
    found = await legal_hold(locking, KEY, retaining=True)
    assert (found.state, "holds and retention are set" in found.seen) == (Health.OK, True)


class Forgetful(LockingBucket):
    """One that confirms a retention and does nothing."""

    async def set_retention(self, key: str, version_id: str, *, until: datetime) -> datetime:
        del key, version_id
        return until


class Refusing(LockingBucket):
    """One that has legal holds and no retention."""

    async def set_retention(self, key: str, version_id: str, *, until: datetime) -> datetime:
        raise StoreRefusedError("PutObjectRetention: NotImplemented")


@pytest.mark.parametrize(
    ("kind", "why", "is_left"),
    [
        (Forgetful, "it deleted an object that it had locked", False),
        (Refusing, "NotImplemented", False),
        (Keeping, "it refuses the bypass that an erasure needs", True),
    ],
)
async def test_a_store_that_does_not_mean_it_is_found_out(
    locking: LockingBucket, kind: type[LockingBucket], why: str, is_left: bool
) -> None:
    assert why in str(await locking.again_as(kind).try_locking(KEY, retaining=True))
    left = await locking.files_under("")
    assert [file.key for file in left] == ([KEY] if is_left else [])  # for a minute: then `clear_locked` may remove it
    for file in left:
        answer = await locking._client.get_object_retention(
            Bucket=locking.name, Key=file.key, VersionId=str(file.version_id)
        )
        assert answer["Retention"]["RetainUntilDate"] <= datetime.now(UTC) + timedelta(minutes=1)


@ON_SQLITE  # as above
@pytest.mark.parametrize("kind", [LockingBucket, Forgetful])
async def test_where_it_is_not_meant_retention_lives_in_the_index_alone(
    database: Database, bucket: Bucket, locking: LockingBucket, recorded: str, kind: type[LockingBucket]
) -> None:
    there = bucket.again_as(kind) if kind is LockingBucket else locking.again_as(kind)
    with capture_logs() as logged:
        await following(database, there).follow()
    assert [one["event"] for one in logged] == ["object_lock_not_usable"]
    assert {days for days, _ in (await noted(database)).values()} == {0}
    await locking._client.delete_object(Bucket=locking.name, Key=OBJECT, VersionId=recorded)


@ON_SQLITE  # which went through all that is archived and sorted it, once it was asked for the state too
async def test_what_is_left_to_retain_is_a_range_of_one_index(database: Database) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        assert await LockIndex(database).retained_less(365, after=(-1, ""), most=10) == []
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    ((statement, parameters),) = [one for one in asked if "retained_days <" in one[0]]
    explained = f"EXPLAIN QUERY PLAN {statement}"
    plan = await database.read(lambda tx: tx.exec_driver_sql(explained, parameters).all())
    assert len(plan) == 1
    assert "USING INDEX ix_recordings_retained (" in plan[0].detail
