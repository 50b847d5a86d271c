"""An index that was lost is rebuilt from the bucket alone, whatever its order, and killed anywhere it is equal."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from receiver.app import utc_now
from receiver.catalogue import BucketWalks, Catalogue, Filters, FixityIndex, RebuiltRows
from receiver.errors import StoreUnavailableError
from receiver.fixity import Reindex
from receiver.manifests import manifest_key
from receiver.objectstore import Tombstones, store_manifest
from receiver.records import Actor, ReindexTally, Via
from receiver.tables import (
    attendees,
    audit_log,
    bucket_walks,
    participants,
    recordings,
    search_postings,
    unsealed_audit_log,
)
from tests.support.archived import archive
from tests.support.databases import ON_SQLITE

MANY = range(30)
LOST = (participants, attendees, search_postings, unsealed_audit_log, audit_log, bucket_walks, recordings)


class Shuffled:
    """A bucket that lists in an order of its own, and fails once so many objects were asked for."""

    def __init__(self, bucket, fails_after=None):
        self._bucket = bucket
        self._left = fails_after

    def __getattr__(self, name):
        return getattr(self._bucket, name)

    async def keys(self, prefix):
        listed = [key async for key in self._bucket.keys(prefix)]
        for key in sorted(listed, key=lambda key: key[::-1]):
            yield key

    async def read(self, key, **options):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise StoreUnavailableError("killed here")
        async for chunk in self._bucket.read(key, **options):
            yield chunk


def reindexing(bucket, database, *, writes=True, told=None):
    return Reindex(
        bucket=bucket,
        rows=RebuiltRows(database, bucket=bucket.name),
        index=FixityIndex(database),
        walks=BucketWalks(database),
        tombstones=Tombstones(bucket, root="recordings/"),
        clock=utc_now,
        prefix="",
        root="recordings/",
        own="recordings/.receiver-",
        by=Actor("cli:alice"),
        writes=writes,
        on_difference=(told if told is not None else []).append,
        on_progress=lambda _: None,
    )


async def lose(database):
    """Empty the index."""

    def lose(tx):
        for table in LOST:
            tx.execute(sa.delete(table))

    await database.write(lose)


async def rows(database):
    page = await Catalogue(database).page(Filters(), limit=1000)
    return {one.id: one for one in page.items}


def as_rebuilt(recording):
    return replace(recording, attempts=0, first_seen_via=Via.REINDEX)


async def check(bucket, database):
    """Compare without writing; the index must stay as it is."""
    told = []
    compared = reindexing(bucket, database, writes=False, told=told)
    await compared.run()
    return compared.tally, told


@pytest.mark.parametrize("kills", [(), (10, 10)], ids=["whole", "killed"])
async def test_a_lost_index_is_rebuilt_equal_and_a_killed_run_goes_on(bucket, database, kills, monkeypatch):
    monkeypatch.setattr("receiver.fixity.listing._PAGE_KEYS", 4)
    made = await archive(bucket, database, MANY, 100)
    before = await rows(database)
    assert await check(bucket, database) == (ReindexTally(manifests=30, equal=30), [])
    await lose(database)
    drill, _ = await check(Shuffled(bucket), database)
    assert (drill, await rows(database)) == (ReindexTally(manifests=30, added=30), {})
    for count in kills:
        with pytest.raises(StoreUnavailableError):
            await reindexing(Shuffled(bucket, count), database).run()
    assert len(await rows(database)) == len(kills) * 8
    whole = reindexing(Shuffled(bucket), database)
    assert await whole.run() is bool(kills)
    assert (whole.tally.manifests, whole.tally.added + whole.tally.equal, whole.tally.is_good) == (30, 30, True)
    assert await rows(database) == {key: as_rebuilt(one) for key, one in before.items()}
    assert await check(bucket, database) == (ReindexTally(manifests=30, equal=30), [])
    again = reindexing(bucket, database)
    assert await again.run() is False
    assert asdict(again.tally) == asdict(ReindexTally(manifests=30, equal=30))
    assert len(made) == 30


@pytest.mark.parametrize("page_keys", [1, 200])
async def test_what_is_not_a_pair_is_told_and_the_last_file_of_a_recording_is_its_row(
    bucket, database, page_keys, monkeypatch
):
    monkeypatch.setattr("receiver.fixity.listing._PAGE_KEYS", page_keys)
    one, two, three, four, five = await archive(bucket, database, range(5), 100)
    stored = one.archive
    second = replace(
        stored,
        key=stored.key.replace(".mp4", ".v2.mp4"),
        proof=replace(stored.proof, at=stored.proof.at + timedelta(days=1)),
    )
    await bucket.put(second.key, b"x" * 100, content_type="video/mp4")
    await store_manifest(bucket, one, second, archived_at=one.archived_at)
    await bucket.delete(manifest_key(two.archive.key))
    await bucket.delete(three.archive.key)
    await bucket.put("recordings/notes.json", b"{", content_type="application/json")
    await bucket.put("recordings/.receiver-audit-log/head.json", b"{}", content_type="application/json")
    await bucket.put("elsewhere/notes.json", b"{", content_type="application/json")
    document = json.loads(b"".join([chunk async for chunk in bucket.read(manifest_key(four.archive.key))]))
    del document["proof"], document["object"]["bucket"], document["object"]["version_id"]
    document["manifest_version"] = 1  # as releases before the ladder wrote them
    body = json.dumps(document).encode()
    await bucket.replace(manifest_key(four.archive.key), body, content_type="application/json")
    await lose(database)
    told = []
    run = reindexing(Shuffled(bucket), database, told=told)
    await run.run()
    expected = {"manifests": 6, "added": 3, "equal": 1, "differing": 1}
    expected |= {"objects_without_manifest": 1, "manifests_without_object": 1, "erased": 0}
    assert asdict(run.tally) == expected
    assert sorted(told) == [
        f"{two.archive.key} has no manifest, so nothing says what it is",
        f"{manifest_key(three.archive.key)} lies beside no object",
        "recordings/notes.json: it is no manifest (JSONDecodeError)",
    ]
    found = await rows(database)
    assert found.keys() == {one.id, four.id, five.id}
    assert found[one.id].archive == second
    assert found[one.id].vendor == one.vendor
    assert found[four.id] == as_rebuilt(four)


@ON_SQLITE  # what is compared is the same on both
async def test_a_difference_is_told_and_no_row_that_is_there_is_changed(bucket, database):
    one, two, *_ = await archive(bucket, database, range(4), 100)

    def change(tx):
        tx.execute(sa.update(recordings).where(recordings.c.id == one.id).values(host_name="Eve", size_bytes=7))
        tx.execute(sa.update(recordings).where(recordings.c.id == two.id).values(state="pending"))

    await database.write(change)
    before = await rows(database)
    told = []
    run = reindexing(bucket, database, told=told)
    await run.run()
    assert (run.tally.differing, run.tally.equal, run.tally.added) == (2, 2, 0)
    assert sorted(told) == [
        f"{one.id}, {one.archive.key}: the index says another host.name, object.size_bytes",
        f"{two.id}, {two.archive.key}: the index says pending",
    ]
    assert await rows(database) == before
