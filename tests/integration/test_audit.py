"""An audit names each kind of damage, no other object, and never takes an outage for damage."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import BucketWalks, Catalogue, FixityIndex, audit_log
from receiver.errors import StoreUnavailableError
from receiver.fixity import Audit, AuditWalk, DueReadings, ObjectReader, ReadingRate
from receiver.manifests import manifest_key
from receiver.objectstore import BucketConfig, open_bucket
from receiver.records import Actor, AuditTally, RecordingId
from receiver.tables import audit_log as entries
from receiver.tables import recordings
from tests.support.archived import archive, body_of
from tests.support.databases import ON_SQLITE
from tests.support.s3 import flip
from tests.support.store_proxy import Rule, StoreProxy, s3_error

SIZE = 20_000
EVERY = timedelta(days=90)


@pytest.fixture
async def proxied(seaweed, bucket):
    """Open the bucket through a proxy, as an audit does: without requests that the library repeats."""
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        config = BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region=seaweed.region, attempts=1)
        async with open_bucket(config) as opened:
            yield opened, proxy


def auditing(bucket, database, *, patience_s=0.0, tries=2):
    index = FixityIndex(database)
    reader = ObjectReader(bucket=bucket, pace=ReadingRate(1e9, index.copies_run))
    return Audit(reader=reader, index=index, clock=utc_now, patience_s=patience_s, again_after_s=0.01, tries=tries)


def walk_of(bucket, database, found=None, **options):
    """Make an audit that notes what it finds wanting."""

    def on_verdict(verdict, _told, _tally):
        if found is not None and verdict.reason is not None:
            found[verdict.recording.id] = (verdict.fixity.value, verdict.reason)

    return AuditWalk(
        audit=auditing(bucket, database, **options),
        index=FixityIndex(database),
        walks=BucketWalks(database),
        clock=utc_now,
        by=Actor("cli:alice"),
        on_verdict=on_verdict,
    )


async def spoil(bucket, recording, **changed):
    """Change the manifest of a recording."""
    key = manifest_key(recording.archive.key)
    document = json.loads(b"".join([chunk async for chunk in bucket.read(key)]))
    document["host"] |= changed
    await bucket.replace(key, json.dumps(document).encode(), content_type="application/json")


async def column(database, name):
    rows = await database.read(lambda tx: tx.execute(sa.select(recordings.c.id, recordings.c[name])).all())
    return dict(rows)


@ON_SQLITE  # about the store; each kind is a write of the same two statements
async def test_each_kind_of_damage_is_named_and_no_other_object(seaweed, proxied, database):
    bucket, _ = proxied
    made = await archive(bucket, database, range(100), SIZE)
    flipped, cut, deleted, overwritten, changed, lost, no_manifest = made[3::13][:7]
    flip(seaweed, body_of(3, SIZE), SIZE - 1000)
    await bucket.replace(cut.archive.key, body_of(16, SIZE)[:-1], content_type="video/mp4")
    await bucket.delete(deleted.archive.key)
    await bucket.replace(overwritten.archive.key, body_of(1000, SIZE), content_type="video/mp4")
    await spoil(bucket, changed, name="Eve")
    await bucket.delete(manifest_key(lost.archive.key))
    await bucket.replace(manifest_key(no_manifest.archive.key), b"[]", content_type="application/json")
    found = {}
    walk = walk_of(bucket, database, found, tries=1)  # each GET of the rotten one takes the server 13 s
    assert await walk.everything() is False
    assert {key: fixity for key, (fixity, _) in found.items()} == {
        flipped.id: "unreadable",
        cut.id: "damaged",
        deleted.id: "missing",
        overwritten.id: "damaged",
        changed.id: "damaged",
        lost.id: "missing",
        no_manifest.id: "damaged",
    }
    assert found[changed.id][1] == "the object is intact; its manifest says another host.name than the index"
    assert f"{SIZE - 1} bytes with SHA-256" in found[cut.id][1]
    expected = AuditTally(checked=100, intact=93, damaged=4, missing=2, unreadable=1, bytes=98 * SIZE - 1)
    assert walk.tally == expected
    assert not walk.tally.is_good
    catalogue = Catalogue(database)
    rows = {one.id: await catalogue.recording(one.id) for one in made}
    assert {key: row.fixity.value for key, row in rows.items() if row.verified_at is None} == {
        key: fixity for key, (fixity, _) in found.items()
    }
    await audit_log.seal(database, wait=True)
    log = await database.read(lambda tx: tx.execute(sa.select(entries.c.subject, entries.c.action)).all())
    assert len(log) == 100
    assert dict(log)[flipped.id] == "found_unreadable"
    assert await audit_log.verify(database) is None


@ON_SQLITE  # about the store
async def test_a_store_that_is_away_in_the_middle_is_waited_for_and_nothing_is_damaged(proxied, database):
    bucket, proxy = proxied
    await archive(bucket, database, range(12), SIZE)
    walk = walk_of(bucket, database, patience_s=30)
    away = s3_error(503, "SlowDown")
    proxy.rules.extend([Rule("^GET ", times=8), Rule("^GET ", times=15, answer=away)])
    await walk.everything()
    assert walk.tally == AuditTally(checked=12, intact=12, bytes=12 * SIZE)
    assert set((await column(database, "unread_since")).values()) == {None}


async def test_a_store_that_stays_away_ends_an_audit_which_goes_on_where_it_was(proxied, database, monkeypatch):
    monkeypatch.setattr("receiver.fixity.walk._NOTE_EVERY", timedelta(0))
    bucket, proxy = proxied
    await archive(bucket, database, range(30), SIZE)
    proxy.lines.clear()
    proxy.rules.extend([Rule("^GET ", times=20), Rule("^GET ", times=1000, answer=s3_error(503, "SlowDown"))])
    first = walk_of(bucket, database)
    with pytest.raises(StoreUnavailableError):
        await first.everything()
    assert 4 <= first.tally.checked == first.tally.intact < 30
    proxy.rules.clear()
    again = walk_of(bucket, database)
    assert await again.everything() is True
    assert again.tally == AuditTally(checked=30, intact=30, bytes=30 * SIZE)
    assert not await walk_of(bucket, database).everything()


@ON_SQLITE  # about the store
async def test_the_proven_version_is_read_whatever_lies_over_it(bucket, database):
    await bucket._client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    over, deleted, gone = await archive(bucket, database, range(3), SIZE)
    assert over.archive.version_id is not None
    await bucket.replace(over.archive.key, b"another", content_type="video/mp4")
    await bucket._client.delete_object(Bucket=bucket.name, Key=deleted.archive.key)
    await bucket._client.delete_object(Bucket=bucket.name, Key=gone.archive.key, VersionId=gone.archive.version_id)
    found = {}
    await walk_of(bucket, database, found).everything()
    assert found == {gone.id: ("missing", f"the store has no version {gone.archive.version_id}")}


async def test_a_sample_an_age_and_names_choose_what_is_read(bucket, database):
    await archive(bucket, database, range(20), 100)
    sample = walk_of(bucket, database)
    await sample.sample(0.21)
    assert sample.tally.checked == 5
    old = walk_of(bucket, database)
    await old.old(utc_now() - timedelta(seconds=30))
    assert old.tally.checked == 15
    named = walk_of(bucket, database)
    await named.named([RecordingId("r00003"), RecordingId("r00004")])
    assert named.tally == AuditTally(checked=2, intact=2, bytes=200)


def due_readings(bucket, database, now):
    index = FixityIndex(database)
    audit = replace(auditing(bucket, database), clock=lambda: now[0])
    return DueReadings(audit=audit, index=index, every=EVERY, clock=lambda: now[0])


async def test_the_schedule_reads_everything_within_its_period_spread_evenly(bucket, database):
    made = await archive(bucket, database, range(40), 100)
    now = [utc_now()]
    readings = due_readings(bucket, database, now)
    seen = []
    for _ in range(18):
        await readings.read()
        seen.append(sum(at is not None for at in (await column(database, "verified_at")).values()))
        now[0] += timedelta(days=5)
    await readings.read()
    times = await column(database, "verified_at")
    assert all(at is not None for at in times.values())
    assert seen[0] == 0
    assert 10 <= seen[9] <= 30, "half of the period, about half of the objects"
    assert len(set(times.values())) >= 10
    assert len(made) == 40


async def test_the_schedule_calls_an_object_unreadable_after_hours_and_not_in_an_outage(proxied, database):
    bucket, proxy = proxied
    bad, *_ = await archive(bucket, database, range(3), 100)
    now = [utc_now()]
    readings = due_readings(bucket, database, now)
    await readings.read()
    now[0] += EVERY
    proxy.rules.append(Rule("^GET ", times=1000, answer=s3_error(500, "InternalError")))
    with pytest.raises(StoreUnavailableError):
        await readings.read()
    assert set((await column(database, "unread_since")).values()) == {None}
    rotten = Rule(f"^GET .*{bad.id}.mp4[? ]", times=1000, answer=s3_error(500, "InternalError"))
    proxy.rules[:] = [rotten]
    for hours in range(7):
        await readings.read()
        fixity = await column(database, "fixity")
        assert fixity.pop(bad.id) == (None if hours < 6 else "unreadable")
        assert set(fixity.values()) == {"intact"}
        now[0] += timedelta(hours=1, seconds=1)
    proxy.rules.clear()
    now[0] += timedelta(days=1)
    await readings.read()
    assert set((await column(database, "fixity")).values()) == {"intact"}


@asynccontextmanager
async def _timed():
    loop = asyncio.get_running_loop()
    began = loop.time()
    yield lambda: loop.time() - began


async def test_the_rate_holds_for_all_readers_together_and_is_a_quarter_beside_copies():
    runs = False

    async def copies_run():
        return runs

    for runs, least_s in ((False, 0.1), (True, 0.4)):
        pace = ReadingRate(1_000_000, copies_run)
        async with _timed() as elapsed_s:
            await asyncio.gather(*(pace.took(87_500) for _ in range(4)))  # a quarter of a second is saved
            assert elapsed_s() >= (least_s if not runs else 0.35 * 4 - 0.25 - 0.01)
