"""A person who is erased is nowhere, by no spelling; others' data is whole, and nothing of theirs comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from structlog.testing import capture_logs

from receiver.catalogue import Catalogue, Filters, Holds, Interventions, Persons
from receiver.catalogue.indexing import reindex
from receiver.cli import root
from receiver.errors import ObjectGoneError, ReasonError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.manifests import differences, manifest_key, read_manifest
from receiver.objectstore import PersonTombstones, fetch_manifest, store_manifest
from receiver.records import Action, HoldScope, Host, Meeting, RecordingFacts, State, VendorFacts, Via
from receiver.retention import PersonErasure
from receiver.retention.remains import remaining
from receiver.tables import attendees, deliveries, delivery_recordings, participants, recordings
from tests.integration.test_erasure import bodies_of, bucket_bytes, logged, stored_bytes, versioned
from tests.integration.test_reindex import lose, reindexing
from tests.support.archived import archive
from tests.support.clock import NOW
from tests.support.databases import ON_SQLITE
from tests.support.erasing import BY, REASON, EmptyBucket, erasure_of
from tests.support.intake import accept
from tests.support.operators import add, row

USER_ID, EMAIL, LOGIN, NAME = 424_242_424_242, "Zoe.Person@Example.com", "zoe-the-person", "Zoë Übermensch"
OTHER = {"host_id": 77, "host_name": "Sam Fisher", "host_login": "sam", "host_email": "sam@example.com"}
THEIRS = {"host_id": USER_ID, "host_name": NAME, "host_login": LOGIN, "host_email": EMAIL}
HOSTED, ATTENDED, SHARED = range(50), range(50, 53), 20
STAYS = 53
"""A recording that does not name them."""


def spellings():
    """Yield how a text may be written: as it is, in JSON, in a URL, in base64 at each of three places."""
    for text in (EMAIL, EMAIL.casefold(), LOGIN, NAME, NAME.casefold(), str(USER_ID)):
        raw = text.encode()
        yield from (raw, json.dumps(text)[1:-1].encode(), quote(text).encode(), quote(text, safe="").encode())
        for before in range(3):
            yield base64.b64encode(b"\0" * before + raw)[4:-4]


def person_of(bucket, database):
    return PersonErasure(
        erasure=erasure_of(bucket, database),
        persons=Persons(database),
        tombstones=PersonTombstones(bucket, root="recordings/"),
        note=Interventions(database).note,
    )


def delivery(recording_id, *, host, invited=(), taking_part=(), **more):
    """Return one object of a payload."""
    return {
        "meeting": {
            "_id": f"m-{recording_id}",
            "name": "Weekly",
            "host_id": host["host_id"],
            "attendees": list(invited),
        },
        "hostUser": {
            "id": host["host_id"],
            "full_name": host["host_name"],
            "login": host["host_login"],
            "email": host["host_email"],
        },
        "callRecords": [
            {
                "_id": recording_id,
                "created_at": "2026-11-20T10:00:00Z",
                "participants_ids": list(taking_part),
                "download_url": "https://x.s3.amazonaws.com/videos/a?Signature=s",
            }
            | more
        ],
    }


ZOE = {"id": USER_ID, "email": EMAIL, "avatar": {"of": EMAIL}}
GUEST = {"id": 5, "email": "guest@example.com"}


def shared(number, **more):
    return delivery(f"r{number:05}", host=OTHER, invited=[GUEST, ZOE], taking_part=[77, USER_ID], **more)


@pytest.fixture
def inbox(database):
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def filled(bucket, database, inbox):
    """Store what the person hosts and attends, with manifests and deliveries; return the recordings that stay."""
    made = await archive(bucket, database, range(STAYS + 1), 500)
    ids = [one.id for one in made]

    def change(tx):
        for number in range(STAYS + 1):
            host = THEIRS if number in HOSTED else OTHER
            tx.execute(sa.update(recordings).where(recordings.c.id == ids[number]).values(host))
        for number in ATTENDED:
            tx.execute(sa.insert(attendees).values(recording_id=ids[number], position=7, user_id=None, email=EMAIL))
            tx.execute(sa.insert(participants).values(recording_id=ids[number], position=7, user_id=USER_ID))
            tx.execute(sa.insert(attendees).values(recording_id=ids[number], position=8, user_id=USER_ID, email=None))
        reindex(tx, ids)

    await database.write(change)
    for one in (await Catalogue(database).page(Filters(), limit=100)).items:
        await store_manifest(bucket, one, one.archive, archived_at=one.archived_at)
    for number in HOSTED:
        await accept(inbox, json.dumps(delivery(f"r{number:05}", host=THEIRS)).encode(), now=NOW)
    for number in ATTENDED:
        await accept(inbox, json.dumps(shared(number)).encode(), now=NOW)
    for number in range(SHARED):
        theirs, others = delivery(f"r{number:05}", host=THEIRS), shared(ATTENDED[number % len(ATTENDED)])
        await accept(inbox, json.dumps([theirs, others]).encode(), now=NOW)
    await inbox.keep_rejected(json.dumps({"of": EMAIL}).encode()[:-1], (), now=NOW)
    await inbox.keep_rejected(b'{"of": "guest@example.com"', (), now=NOW)
    return ids


def ids_of(body):
    return [one["callRecords"][0]["_id"] for one in (body if isinstance(body, list) else [body])]


def vacuumed(database):
    """Run what a certificate names for the free space of SQLite's file, once no row names the person."""
    path = Path(database.engine.url.database)
    (told,) = [
        one for one in remaining(is_sqlite=True, is_log_cleared=True, names_in_keys=False) if "VACUUM" in one.command
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rows = b"\n".join(
            value if isinstance(value, bytes) else str(value).encode()
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
            for value in row
        )
        assert not [spelt for spelt in spellings() if spelt in rows]
        for statement in told.command.split(";")[:2]:
            connection.execute(statement)


async def nowhere(bucket, database):
    if database.is_sqlite:
        vacuumed(database)
    held, kept = await stored_bytes(database), await bucket_bytes(bucket)
    for spelt in spellings():
        assert held.find(spelt) < 0, ("in the database", spelt)
        assert kept.find(spelt) < 0, ("in the bucket", spelt)


@pytest.mark.parametrize("asked", [USER_ID, EMAIL], ids=["id", "e-mail"])
async def test_an_erased_person_is_nowhere_and_nothing_of_theirs_returns(bucket, database, inbox, asked):
    await versioned(bucket)
    ids = await filled(bucket, database, inbox)
    last = await Catalogue(database).recording(ids[STAYS])
    persons = person_of(bucket, database)
    with capture_logs() as lines:
        certificate = await persons.erase(asked, by=BY, reason=REASON)
    assert certificate.is_complete
    assert [one.recording_id for one in certificate.recordings] == ids[:50]
    assert certificate.counts == {"forgotten_in": 3, "bodies_rewritten": 50 + 3 + SHARED + 1}
    told = json.dumps(lines, default=str) + repr(certificate)
    assert not any(spelt.decode("latin-1") in told for spelt in spellings())
    await nowhere(bucket, database)

    assert await Catalogue(database).recording(ids[STAYS]) == last
    for number in ATTENDED:
        one = await Catalogue(database).recording(ids[number])
        assert (one.state, one.host.email) == (State.ARCHIVED, "sam@example.com")
        assert [guest.email for guest in one.attendees] == [f"guest{number}@example.com"]
        assert one.vendor.participant_ids == (number, number + 1)
        manifest = read_manifest(await fetch_manifest(bucket, manifest_key(one.archive.key)))
        assert differences(manifest, one) == []
    bodies = [json.loads(body) for body in (await bodies_of(database)).values() if body.endswith((b"}", b"]"))]
    others = [item for body in bodies for item in (body if isinstance(body, list) else [body])]
    assert sum(item["meeting"].get("attendees") == [GUEST] for item in others) == 3 + SHARED
    assert b'{"of": "guest@example.com"' in (await bodies_of(database)).values()
    acts = await logged(database)
    assert [action for action, _ in acts].count(Action.PERSON_ERASED) == 1

    fresh = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    for body in (
        [delivery("r00000", host=THEIRS), shared(50)],
        [delivery("r00000", host=THEIRS, duration=4), shared(50, duration=4)],
        delivery("late", host=THEIRS),
        shared(90),
    ):
        await accept(fresh, json.dumps(body).encode(), now=NOW)
    await fresh.keep_rejected(json.dumps({"on": EMAIL}).encode()[:-1], (), now=NOW)
    facts = RecordingFacts(
        id="found",
        meeting=Meeting(id="m9"),
        host=Host(id=77),
        vendor=VendorFacts(participant_ids=(77, USER_ID)),
    )
    assert await fresh.accept_found([facts], via=Via.RECONCILE, now=NOW) == {"found"}
    await nowhere(bucket, database)
    found = {one.id: one.state for one in (await Catalogue(database).page(Filters(), limit=100)).items}
    assert (found["r00000"], found["r00090"], "late" in found) == (State.ERASED, State.PENDING, False)

    await database.write(lambda tx: [tx.execute(sa.delete(t)) for t in (delivery_recordings, deliveries)])
    await lose(database)
    await reindexing(bucket, database).run()
    await nowhere(bucket, database)


async def test_an_old_database_that_is_put_back_forgets_them_again(bucket, database, inbox):
    ids = await filled(bucket, database, inbox)
    tables = (recordings, participants, attendees, deliveries, delivery_recordings)

    def saved(tx):
        return [[dict(one._mapping) for one in tx.execute(sa.select(table))] for table in tables]

    def put_back(tx):
        for table in reversed(tables):
            tx.execute(sa.delete(table))
        for table, rows in zip(tables, backup, strict=True):
            tx.execute(sa.insert(table), rows)

    backup = await database.read(saved)
    await person_of(bucket, database).erase(USER_ID, by=BY, reason=REASON)
    await database.write(put_back)
    persons = person_of(bucket, database)
    await persons.erasure.again()
    await persons.again()
    await nowhere(bucket, database)
    assert (await Catalogue(database).recording(ids[50])).state is State.ARCHIVED


@ON_SQLITE
async def test_also_attended_erases_what_they_only_took_part_in(bucket, database, inbox):
    ids = await filled(bucket, database, inbox)
    certificate = await person_of(bucket, database).erase(EMAIL, by=BY, reason=REASON, also_attended=True)
    assert [one.recording_id for one in certificate.recordings] == ids[:53]
    assert (await Catalogue(database).recording(ids[STAYS])).state is State.ARCHIVED


@ON_SQLITE
async def test_a_held_recording_keeps_its_people_and_a_reason_names_nobody(bucket, database, inbox):
    ids = await filled(bucket, database, inbox)
    for one in (ids[0], ids[50]):
        await Holds(database).add(HoldScope.RECORDING, one, reason="a case", by=BY, now=NOW)
    with pytest.raises(ReasonError):
        await person_of(bucket, database).erase(EMAIL, by=BY, reason=f"asked by {LOGIN}")
    certificate = await person_of(bucket, database).erase(EMAIL, by=BY, reason=REASON)
    assert (sorted(certificate.held), certificate.is_complete) == ([ids[0], ids[50]], False)
    assert (await Catalogue(database).recording(ids[0])).host.email == EMAIL
    assert USER_ID in (await Catalogue(database).recording(ids[50])).vendor.participant_ids
    naming = [json.loads(body) for body in (await bodies_of(database)).values() if EMAIL.encode() in body]
    assert {ids[0], ids[50]} <= {one for body in naming for one in ids_of(body)}, (
        "what a delivery said of it is part of what is held"
    )
    assert all({ids[0], ids[50]} & set(ids_of(body)) for body in naming), "and no other body names them"
    for one in (ids[0], ids[50]):
        (hold,) = await Catalogue(database).holds_of(one)
        await Holds(database).release(hold.id, reason=None, by=BY, now=NOW)
    again = await person_of(bucket, database).erase(EMAIL, by=BY, reason=REASON)
    assert again.is_complete
    await nowhere(bucket, database)


@ON_SQLITE
async def test_the_command_shows_all_that_is_kept_of_a_person(
    bucket, seaweed, database, database_url, inbox, monkeypatch
):
    await filled(bucket, database, inbox)
    settings = {"DATABASE_URL": database_url, "S3_BUCKET": bucket.name, "S3_ENDPOINT_URL": seaweed.endpoint_url}
    for name, value in settings.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)
    for name in ("erase", "person"):
        monkeypatch.setattr(f"receiver.cli.{name}.run_until_signal", asyncio.run)

    async def run(*arguments):
        return await asyncio.to_thread(CliRunner().invoke, root, arguments)

    assert (await run("person", "zoe")).exit_code == 2
    shown = await run("person", EMAIL, "--json")
    found = json.loads(shown.stdout)
    assert shown.exit_code == 0
    kept = [(one["where"], one["role"]) for one in found]
    assert kept.count(("recording", "host")) == 50
    assert kept.count(("recording", "participant")) == 3
    assert kept.count(("recording", "attendee")) == 6
    assert sum(where == "delivery" for where, _ in kept) == 50 + 3 + SHARED + 1
    assert EMAIL in (await run("person", str(USER_ID))).stdout
    acts = await logged(database)
    assert [action for action, _ in acts] == [Action.PERSON_SHOWN] * 2
    assert all(EMAIL.casefold() not in subject and str(USER_ID) not in subject for _, subject in acts)
    dry = json.loads((await run("erase", "--person", EMAIL, "--reason", REASON, "--dry-run", "--json")).stdout)
    assert (len(dry["would_erase"]), len(dry["would_forget_in"])) == (50, 3)


@ON_SQLITE
async def test_a_recording_made_after_the_erasure_is_archived_without_them(database):
    await add(database, row("r1"))
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)

    objects = {}

    class Named(EmptyBucket):
        async def put(self, key, body, **_):
            objects[key] = body

        async def read(self, key, **_):
            if key not in objects:
                raise ObjectGoneError("no such key")
            yield objects[key]

    await person_of(Named(), database).erase(EMAIL, by=BY, reason=REASON)
    body = delivery("after", host=THEIRS, created_at="2026-11-22T13:00:00Z")
    await accept(inbox, json.dumps(body).encode(), now=NOW)
    found = await Catalogue(database).recording("after")
    assert (found.state, found.host) == (State.PENDING, Host())
