"""What is erased is in no row, body, object version or manifest, and no path brings it back (P13)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from receiver import failpoints
from receiver.catalogue import Catalogue, Filters, Holds, Runs, audit_log
from receiver.cli import root
from receiver.errors import (
    FenceLostError,
    NotFoundError,
    ReasonError,
    StoreDeniedError,
    StoreUnavailableError,
    UnreadableError,
)
from receiver.failpoints import ErasurePoint
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.objectstore import Tombstones
from receiver.records import Action, HoldScope, Host, Meeting, RecordingFacts, Scope, State, VendorFacts, Via
from receiver.tables import (
    attendees,
    deliveries,
    delivery_recordings,
    participants,
    recordings,
    search_postings,
)
from receiver.tables import audit_log as entries
from tests.integration.test_reindex import lose, reindexing
from tests.support.archived import archive, body_of
from tests.support.clock import NOW
from tests.support.databases import ON_SQLITE
from tests.support.erasing import BY, REASON, EmptyBucket, erasure_of
from tests.support.intake import STORED, accept, replay_of
from tests.support.operators import add, add_delivery, row
from tests.support.payloads import payload

ID, OTHER = "r00000", "r00001"
AN_HOUR_ON = timedelta(hours=1, minutes=5)
SECRETS = ("Wöchentlich 0", "guest0@example.com", "sam-of-zero@example.com")
SPELT = [
    spelling
    for text in SECRETS
    for spelling in (text.encode(), json.dumps(text)[1:-1].encode(), text.casefold().encode())
]


def body_with(*ids, email="sam-of-zero@example.com", **record):
    """Return a payload whose host has an e-mail of their own."""
    return payload(*ids, **record).replace(b"sam@example.com", email.encode())


@pytest.fixture
def inbox(database):
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def versioned(bucket):
    await bucket._client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})


async def stored_bytes(database):
    """Return all that the database holds: of SQLite its files, of PostgreSQL each value of each table."""
    if database.is_sqlite:
        path = Path(database.engine.url.database)
        return b"".join(one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*")))

    def read(tx):
        names = tx.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars().all()
        rows = [tx.exec_driver_sql(f"SELECT t::text FROM {name} AS t").scalars().all() for name in names]  # noqa: S608
        bodies = [bytes(one) for one in tx.execute(sa.select(deliveries.c.body)).scalars()]
        return "\n".join(one for some in rows for one in some).encode() + b"".join(bodies)

    return await database.read(read)


async def bucket_bytes(bucket):
    """Return the keys and the bytes of all versions of all objects."""
    found = b""
    for file in await bucket.files_under(""):
        found += file.key.encode()
        version_id = None if file.version_id == "null" else file.version_id
        found += b"".join([chunk async for chunk in bucket.read(file.key, version_id=version_id)])
    return found


async def logged(database):
    await audit_log.seal(database, wait=True)
    return await database.read(lambda tx: tx.execute(sa.select(entries.c.action, entries.c.subject)).all())


async def bodies_of(database):
    rows = await database.read(lambda tx: tx.execute(sa.select(deliveries.c.id, deliveries.c.body)).all())
    return {one.id: bytes(one.body) for one in rows}


async def erased(database, one=ID):
    """Check that nothing but ids, times and sizes is told of a recording."""
    found = await Catalogue(database).recording(one)
    assert found.state is State.ERASED
    assert found.error is None
    assert (found.host, found.attendees, found.archive) == (Host(), (), None)
    assert replace(found.meeting, id="") == Meeting(id="")
    assert found.vendor == VendorFacts(created_at=found.vendor.created_at)
    return found


@pytest.mark.parametrize("is_versioned", [False, True], ids=["plain", "versioned"])
async def test_an_erased_recording_is_nowhere_and_the_others_are_whole(bucket, database, inbox, is_versioned):
    if is_versioned:
        await versioned(bucket)
    made = await archive(bucket, database, range(12), 1000)
    before = {one.id: one for one in made[1:]}
    stem = made[0].archive.key.removesuffix(".mp4")
    for key in (f"{stem}.v2.mp4", f"{stem}.webm", f"{stem}.webm.json"):  # an earlier, and an unrecorded file
        await bucket.put(key, b"another file of it", content_type="video/mp4")
    await bucket.replace(f"{stem}.mp4.json", b"an older word on Zo", content_type="application/json")
    await accept(inbox, body_with(ID), now=NOW)
    await accept(inbox, body_with(OTHER, email="sam@example.com"), now=NOW)
    shared = await accept(inbox, body_with(ID, OTHER), now=NOW)
    await inbox.keep_rejected(b'{"callRecords": [{"_id": "r00000"}, {"host": "guest0@example.com"', (), now=NOW)

    certificate = await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON, value=ID)

    assert certificate.is_complete
    assert [one.recording_id for one in certificate.recordings] == [ID]
    assert {file.key.removeprefix(stem) for file in certificate.recordings[0].files} == {
        ".mp4", ".mp4.json", ".v2.mp4", ".webm", ".webm.json",
    }  # fmt: skip
    assert await bucket.files_under(f"{stem}.") == []
    await erased(database)
    held, kept = await stored_bytes(database), await bucket_bytes(bucket)
    hosts_of_shared = b"sam-of-zero@example.com"  # the host of the other recording too
    for spelt in SPELT:
        if spelt != hosts_of_shared:
            assert held.find(spelt) < 0, spelt
            assert kept.find(spelt) < 0, spelt
    assert body_of(0, 1000)[:64] not in kept
    assert {
        one.id: one for one in (await Catalogue(database).page(Filters(), limit=20)).items if one.id != ID
    } == before
    document = json.loads((await bodies_of(database))[shared.delivery_id])
    assert [one["_id"] for one in document["callRecords"]] == [OTHER]
    assert document["hostUser"]["email"] == "sam-of-zero@example.com"
    assert [body.startswith(b"{") for body in (await bodies_of(database)).values()].count(True) == 2
    acts = await logged(database)
    assert acts == [(Action.ERASURE_BEGAN, ID), (Action.ERASED, ID)]
    again = await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON)
    assert (again.recordings, again.before) == ((), (ID,))


async def test_no_path_brings_it_back(bucket, database, inbox):
    await archive(bucket, database, range(2), 1000)
    body = body_with(ID, OTHER)
    sole = await accept(inbox, body_with(ID), now=NOW)
    both = await accept(inbox, body, now=NOW)
    await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON)

    async def comes_again():
        for known in (body, body_with(ID)):
            taken = await accept(inbox, known, now=NOW)
            assert taken.duplicate
            assert dict(taken.recordings)[ID] is State.ERASED
        alone = await accept(inbox, body_with(ID, duration=5), now=NOW)
        mixed = await accept(inbox, body_with(ID, OTHER, duration=5), now=NOW)
        kept = await bodies_of(database)
        assert kept[alone.delivery_id] == b""
        assert ID.encode() not in kept[mixed.delivery_id]
        assert OTHER.encode() in kept[mixed.delivery_id]
        facts = RecordingFacts(
            id=ID, meeting=Meeting(id="m0", name="Wöchentlich 0"), host=Host(id=7, name="Sam"), vendor=VendorFacts()
        )
        for via in (Via.RECONCILE, Via.BACKFILL):
            assert await inbox.accept_found([facts], via=via, now=NOW) == frozenset()
        await erased(database)

    await comes_again()
    with pytest.raises(UnreadableError, match="not kept any more"):
        await replay_of(database)(sole.delivery_id)
    await replay_of(database)(both.delivery_id)
    await erased(database)

    await database.write(lambda tx: [tx.execute(sa.delete(t)) for t in (delivery_recordings, deliveries)])
    await lose(database)
    rebuilt = reindexing(bucket, database)
    await rebuilt.run()
    assert (rebuilt.tally.added, rebuilt.tally.erased, rebuilt.tally.is_good) == (1, 1, True)
    assert (await Catalogue(database).recording(ID)).state is State.ERASED
    checked = reindexing(bucket, database, writes=False)
    await checked.run()
    assert (checked.tally.added, checked.tally.equal, checked.tally.erased) == (0, 1, 1)
    for one in (body, body_with(ID)):
        assert dict((await accept(inbox, one, now=NOW)).recordings)[ID] is State.ERASED
    await erased(database)


async def test_an_old_database_that_is_put_back_erases_again(bucket, database, inbox):
    made = await archive(bucket, database, range(2), 1000)
    await accept(inbox, body_with(ID, OTHER), now=NOW)
    tables = (recordings, participants, attendees, search_postings, deliveries, delivery_recordings)

    def saved(tx):
        return [[dict(one._mapping) for one in tx.execute(sa.select(table))] for table in tables]

    def put_back(tx):
        for table in (delivery_recordings, deliveries, search_postings, attendees, participants, recordings):
            tx.execute(sa.delete(table))
        for table, rows in zip(tables, backup, strict=True):
            tx.execute(sa.insert(table), rows)

    backup = await database.read(saved)
    await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON)
    await database.write(put_back)
    await Holds(database).add(
        HoldScope.RECORDING, ID, reason="a case", by=BY, now=NOW
    )  # as the backup has it: it was released before the erasure
    assert (await Catalogue(database).recording(ID)).host.name == "Zoë"

    await erasure_of(bucket, database).again()

    await erased(database)
    assert await Catalogue(database).recording(OTHER) == made[1]
    assert all(ID.encode() not in body for body in (await bodies_of(database)).values())
    await lose(database)
    await erasure_of(bucket, database).again()
    found = await erased(database)
    assert found.meeting.id == "m0"


class Killed(BaseException):
    """Stands for the end of the process."""


@ON_SQLITE  # what is durable between two steps is one transaction's, on either
@pytest.mark.parametrize("point", ErasurePoint)
async def test_killed_anywhere_the_next_run_ends_it(bucket, database, inbox, point, monkeypatch):
    made = await archive(bucket, database, range(2), 1000)
    await accept(inbox, body_with(ID), now=NOW)

    def reach(reached):
        if reached is point:
            raise Killed

    monkeypatch.setattr(failpoints, "reach", reach)
    with pytest.raises(Killed):
        await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON)
    monkeypatch.undo()

    found = await Catalogue(database).recording(ID)
    assert found.state is State.ERASED
    assert (found.error is None) == (point is ErasurePoint.ERASED)
    await erasure_of(bucket, database, later=timedelta(minutes=6)).finish()
    await erased(database)
    assert await bucket.files_under(made[0].archive.key.removesuffix("mp4")) == []
    assert [one async for one in Tombstones(bucket, root="recordings/").ids()] == [ID]
    assert all(body == b"" for body in (await bodies_of(database)).values())


class Refusing:
    """A bucket that refuses what `error` says, until it is healed."""

    def __init__(self, bucket, error):
        self._bucket, self.error = bucket, error

    def __getattr__(self, name):
        return getattr(self._bucket, name)

    async def delete_version(self, file):
        if self.error is not None:
            raise self.error
        await self._bucket.delete_version(file)


@pytest.mark.parametrize(
    "error", [StoreDeniedError("DeleteObject k: the store answered 403 AccessDenied"), StoreUnavailableError("away")]
)
async def test_what_the_store_keeps_is_shown_as_not_erased_and_tried_again(bucket, database, error):
    made = await archive(bucket, database, range(1), 1000)
    refusing = Refusing(bucket, error)
    certificate = await erasure_of(refusing, database).erase([ID], by=BY, reason=REASON)
    assert not certificate.is_complete
    assert error.happened in certificate.recordings[0].refused_because
    found = await Catalogue(database).recording(ID)
    assert (found.error.code, found.state) == ("erasure_unfinished", State.ERASED)
    assert error.happened in found.error.message
    await erasure_of(refusing, database, later=timedelta(minutes=6)).finish()
    refusing.error = None
    await erasure_of(refusing, database, later=timedelta(minutes=12)).finish()
    await erased(database)
    assert await bucket.files_under(made[0].archive.key) == []
    refusals = [action for action, _ in await logged(database)]
    assert refusals == [Action.ERASURE_BEGAN, Action.ERASURE_REFUSED, Action.ERASED], "the log has each refusal once"


async def test_a_run_under_way_is_stopped_and_what_it_stores_late_is_found(bucket, database):
    await add(database, row(ID, next_attempt_at=NOW, created_at=NOW, meeting_name="Weekly"))
    runs = Runs(database)
    claim = await runs.claim(ID, now=NOW)
    stem = f"recordings/2026/11/22/m1/{ID}"
    upload = await bucket.begin_upload(f"{stem}.mp4", content_type="video/mp4")
    await erasure_of(bucket, database).erase([ID], by=BY, reason=REASON)
    assert await bucket.open_uploads(stem) == []
    await bucket.put(f"{stem}.mp4", b"late", content_type="video/mp4")
    await bucket.put(f"{stem}.mp4.json", b"{}", content_type="application/json")
    with pytest.raises(FenceLostError):
        await runs.finish(claim, STORED, now=NOW)
    await erased(database)
    await erasure_of(bucket, database, later=AN_HOUR_ON).finish()
    assert await bucket.files_under(stem) == []
    assert upload.key == f"{stem}.mp4"
    later = erasure_of(bucket, database, later=2 * AN_HOUR_ON)
    assert await later.index.left(now=later.clock(), most=10) == []


@pytest.mark.parametrize("state", [one for one in State if one is not State.ERASED])
async def test_whatever_is_kept_can_be_erased(database, state):
    await add(
        database, row(ID, state=state, host_email="sam@example.com", error_code="x", error_message="sam", error_at=NOW)
    )
    certificate = await erasure_of(EmptyBucket(), database).erase([ID], by=BY, reason=REASON)
    assert certificate.is_complete
    await erased(database)
    assert (await Catalogue(database).counts())[State.ERASED] == 1


async def test_a_hold_keeps_a_recording_and_the_others_go(database):
    await add(database, row(ID, hold=True, host_name="Sam"), row(OTHER))
    certificate = await erasure_of(EmptyBucket(), database).erase([ID, OTHER], by=BY, reason=REASON)
    assert list(certificate.held) == [ID]
    assert not certificate.is_complete
    assert (await Catalogue(database).recording(ID)).host.name == "Sam"
    await erased(database, OTHER)
    (refused,) = [one for one in (await Catalogue(database).history(ID)).events if one.action == "erasure_held"]
    assert (refused.actor, refused.reason) == (BY.name, REASON), "who asked is on record, too"


async def test_a_meeting_goes_with_what_deliveries_said_of_it_alone(database, inbox):
    await add(database, row(ID), row(OTHER), row("other", meeting_id="m2"))
    await accept(inbox, json.dumps({"meeting": {"_id": "m1", "name": "Weekly"}, "callRecords": []}).encode(), now=NOW)
    other = await accept(inbox, json.dumps({"meeting": {"_id": "m2"}, "callRecords": []}).encode(), now=NOW)
    certificate = await erasure_of(EmptyBucket(), database).of_meeting("m1", by=BY, reason=REASON)
    assert (certificate.scope, certificate.value) == (Scope.MEETING, "m1")
    for one in (ID, OTHER):
        await erased(database, one)
    assert (await Catalogue(database).recording("other")).state is State.PENDING
    kept = await bodies_of(database)
    assert [one for one, body in kept.items() if body] == [other.delivery_id]
    with pytest.raises(NotFoundError):
        await erasure_of(EmptyBucket(), database).of_meeting("m3", by=BY, reason=REASON)


@ON_SQLITE
@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "asked by sam@example.com"])
async def test_a_reason_that_cannot_stay_on_record_is_refused(database, reason):
    await add(database, row(ID))
    with pytest.raises(ReasonError):
        await erasure_of(EmptyBucket(), database).erase([ID], by=BY, reason=reason)
    assert (await Catalogue(database).recording(ID)).state is State.PENDING


@ON_SQLITE
async def test_the_command_asks_erases_and_prints_a_certificate(bucket, seaweed, database, database_url, monkeypatch):
    await archive(bucket, database, range(3), 1000)
    await add_delivery(database, body=body_with(ID), recording_ids=(ID,), recordings_count=1, status="accepted")
    settings = {"DATABASE_URL": database_url, "S3_BUCKET": bucket.name, "S3_ENDPOINT_URL": seaweed.endpoint_url}
    for name, value in settings.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)
    monkeypatch.setattr("receiver.cli.erase.run_until_signal", asyncio.run)

    async def run(*arguments, answer=""):
        done = await asyncio.to_thread(CliRunner().invoke, root, ["erase", *arguments], input=answer)
        return done.exit_code, done.stdout[done.stdout.find("\n{") + 1 :] if "--json" in arguments else done.output

    named = ("--recording-id", ID, "--reason", REASON)
    assert (await run("--recording-id", ID, "--meeting-id", "m0", "--reason", REASON))[0] == 2
    assert (await run("--recording-id", "none", "--reason", REASON, "--yes"))[0] == 1
    code, dry = await run(*named, "--dry-run", "--json")
    assert (code, json.loads(dry)["would_erase"]) == (0, [ID])
    assert (await run(*named, answer="n\n"))[0] == 1
    assert (await Catalogue(database).recording(ID)).state is State.ARCHIVED
    code, done = await run(*named, "--yes", "--json")
    certificate = json.loads(done)
    assert (code, certificate["complete"]) == (0, True)
    assert certificate["counts"] == {"erased": 1, "refused": 0, "held": 0, "versions": 2, "bodies": 1}
    assert any(one["command"].startswith("VACUUM;") for one in certificate["remains"])
    await erased(database)
    await Holds(database).add(HoldScope.RECORDING, OTHER, reason="a case", by=BY, now=NOW)
    code, kept = await run("--recording-id", OTHER, "--reason", REASON, "--yes", "--json")
    assert (code, json.loads(kept)["complete"]) == (1, False)
    code, told = await run("--recording-id", OTHER, "--reason", REASON, "--yes")
    last = f"Not erased, on hold: {OTHER} by hold 1. `receiver holds release`, then run this again."
    assert (code, told.splitlines()[-1]) == (1, last), "where it does not scroll away"
