"""The log's end in the bucket: written when it grew, never over one that the log has lost, compared by `--verify`."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from receiver.app import audit_log as kept_head
from receiver.catalogue import audit_log
from receiver.catalogue.audit_log import AuditEntry
from receiver.cli.commands import root
from receiver.errors import StoreUnavailableError
from receiver.records import Actor
from receiver.tables import audit_log as entries
from receiver.tables import audit_log_heads
from tests.support.checking import settings_of
from tests.support.clock import NOW

if TYPE_CHECKING:
    from receiver.objectstore import Bucket
    from receiver.sandbox.seaweed import SeaweedServer
    from receiver.tables import Database

KEY = "recordings/.receiver-audit-log/head.json"


class Store:
    """A bucket of one object, for what does not depend on a store's ways."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.writes = 0

    async def head(self, key: str) -> Any:
        return self.body if key == KEY else None

    async def read(self, key: str) -> Any:
        assert key == KEY
        yield self.body

    async def replace(self, key: str, body: bytes, *, content_type: str) -> None:
        assert (key, content_type) == (KEY, "application/json")
        self.body = body
        self.writes += 1


async def grow(database: Database, *places: int) -> None:
    for place in places:
        entry = AuditEntry.of(Actor("cleanup"), "source_gone", f"m{place}", at=NOW)
        await database.write(lambda tx, entry=entry: audit_log.append(tx, entry))
    await audit_log.seal(database, wait=True)


async def cut(database: Database, place: int) -> None:
    """Take the end off, and with it what the database itself notes of it."""

    def change(tx: sa.Connection) -> None:
        tx.execute(sa.delete(entries).where(entries.c.id >= place))
        tx.execute(sa.delete(audit_log_heads))

    await database.write(change)


async def test_the_end_is_written_when_the_log_has_grown(database: Database) -> None:
    store: Any = Store()
    assert await kept_head.keep_head(database, store, KEY)
    assert store.writes == 0
    await grow(database, 1, 2)
    for _ in range(2):
        assert await kept_head.keep_head(database, store, KEY)
    assert store.writes == 1
    await grow(database, 3)
    assert await kept_head.keep_head(database, store, KEY)
    told = json.loads(store.body)
    assert (store.writes, told["version"], told["entry_id"], len(told["hash"])) == (2, 1, 3, 64)


async def test_a_cut_is_not_covered_up_by_the_next_end(database: Database) -> None:
    store: Any = Store()
    await grow(database, 1, 2, 3)
    assert await kept_head.keep_head(database, store, KEY)
    await cut(database, 3)
    await grow(database, 4, 5)
    assert not await kept_head.keep_head(database, store, KEY)
    assert json.loads(store.body)["entry_id"] == 3


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"entry_id": "x", "hash": 1}', b"x" * 9000])
async def test_an_end_that_cannot_be_read_is_neither_replaced_nor_taken_for_none(
    database: Database, body: bytes
) -> None:
    store: Any = Store()
    await grow(database, 1)
    store.body = body
    assert not await kept_head.keep_head(database, store, KEY)
    assert store.body == body


class Lessons:
    """A bucket whose ways are known."""

    def __init__(self, store: Store) -> None:
        self.bucket = store

    async def ready(self) -> None:
        pass


async def test_the_services_schedules_seal_and_keep_the_end(database: Database) -> None:
    store = Store()
    settings = settings_of(DATABASE_URL="sqlite:///x.db", S3_BUCKET="team", WEBHOOK_SECRETS="0123456789abcdef")
    lessons: Any = Lessons(store)
    seal, keep = kept_head.schedules(settings, database, lessons)
    assert (seal.name, seal.every) == ("seal-audit-log", timedelta(seconds=10))
    assert (keep.name, keep.every) == ("audit-log-head", timedelta(minutes=15))
    entry = AuditEntry.of(Actor("cleanup"), "source_gone", "m1", at=NOW)
    await database.write(lambda tx: audit_log.append(tx, entry))
    await keep.action()
    assert store.body is None
    await seal.action()
    await keep.action()
    assert json.loads(store.body or b"")["entry_id"] == 1


@pytest.fixture
def verify(database_url: str, bucket: Bucket, seaweed: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs `receiver audit-log --verify`, over a bucket that a server holds."""
    settings = {"DATABASE_URL": database_url, "S3_BUCKET": bucket.name}
    settings |= {"S3_ENDPOINT_URL": seaweed.endpoint_url, "S3_REGION": seaweed.region}
    for name, value in settings.items():
        monkeypatch.setenv(f"RECEIVER_{name}", value)

    async def run(*more: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, root, ["audit-log", "--verify", *more])

    return run


async def test_verify_compares_the_end_with_the_bucket_and_names_the_place(
    database: Database, bucket: Bucket, verify: Any
) -> None:
    await grow(database, 1, 2, 3)
    good = await verify()
    assert (good.exit_code, good.stderr) == (0, "")
    assert good.stdout == (
        "3 entries are as they were written, each after the one before it; the bucket has no note of its end yet\n"
    )
    assert await kept_head.keep_head(database, bucket, KEY)
    assert "the bucket notes entry 3\n" in (await verify()).stdout
    await cut(database, 3)
    broken = await verify()
    assert broken.exit_code == 1
    assert broken.stderr.startswith("Error: the log is broken at entry 3: it was the last one once")
    told = json.loads((await verify("--json")).stdout)
    assert (told["entries"], told["broken_at"], told["bucket"]) == (2, 3, "the bucket notes entry 3")


async def test_verify_says_that_the_bucket_was_away(
    database: Database, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise StoreUnavailableError("HeadObject: nobody answers")

    monkeypatch.setattr(kept_head, "read_kept", away)
    await grow(database, 1)
    told = await verify()
    assert told.exit_code == 0
    assert "not compared with the bucket's note of it (HeadObject: nobody answers" in told.stdout


async def test_verify_seals_first_and_names_a_changed_entry(database: Database, verify: Any) -> None:
    await grow(database, 1, 2, 3, 4)
    last = AuditEntry.of(Actor("cleanup"), "source_gone", "m5", at=NOW)
    await database.write(lambda tx: audit_log.append(tx, last))
    assert (await verify()).stdout.startswith("5 entries are as they were written")

    async def change(place: int, actor: str) -> None:
        update = sa.update(entries).where(entries.c.id == place).values(actor=actor)
        await database.write(lambda tx: tx.execute(update))

    for place in (1, 3, 5):
        await change(place, "x")
        broken = await verify()
        assert broken.exit_code == 1
        assert broken.stderr == f"Error: the log is broken at entry {place}: it is not as it was written\n"
        await change(place, "cleanup")
    assert (await verify()).exit_code == 0
