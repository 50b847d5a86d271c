"""What is done to a running deployment reaches a person by one message, and one more when it is over.

The processes are those of a team, the store and the mailbox are real servers, and each fault is done to them from
outside. Only the watch's pace is a test's.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from receiver.errors import StoreDeniedError
from receiver.tables import notice_holders, open_database
from tests.support import quick_watch
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.event_receiver import SECRET, EventReceiver
from tests.support.invariants import check_invariants
from tests.support.mailbox import Mailbox
from tests.support.quick_watch import PACE
from tests.support.reconciling import ago
from tests.support.s3 import flip
from tests.support.service import (
    PLAIN,
    WEBHOOK_SECRET,
    Process,
    Service,
    control,
    make_meeting,
    set_fault,
    worker_process,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from receiver.objectstore import Bucket
    from receiver.sandbox import Sandbox
    from receiver.sandbox.seaweed import SeaweedServer

FILE = {"kind": "mp4"}
REACHED_S = 90
FORGED_POSTS = 150
FEW_BYTES = 60_000


class Person:
    """Who reads the mails, and is to get these and no other."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._titles: list[str] = []

    async def is_told(self, title: str, *named: str) -> str:
        """Wait for one message, and long enough for one too many; it names these. Return its text."""
        self._titles.append(title)
        try:
            async with asyncio.timeout(REACHED_S):
                while len(self._mailbox.mails) < len(self._titles):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not told: {title}; told: {self._mailbox.titles}") from None
        await asyncio.sleep(10 * PACE.look_every.total_seconds())
        assert self._mailbox.titles == self._titles
        text = str(self._mailbox.mails[-1].get_content())
        assert [one for one in named if one not in text] == [], text
        return text


@asynccontextmanager
async def person_of(service: Service) -> AsyncIterator[Person]:
    """Have the service's messages sent to a mailbox, at a test's pace."""
    async with Mailbox() as mailbox:
        service.prefix = (sys.executable, quick_watch.__file__)
        service.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
        service.settings["NOTIFY_URLS"] = mailbox.url
        yield Person(mailbox)


@ON_POSTGRESQL  # a worker that is gone is told of by who only serves
@pytest.mark.timeout(400)
async def test_what_goes_wrong_reaches_a_person_once_and_its_end_once(
    sandbox: Sandbox, service: Service, seaweed: SeaweedServer, bucket: Bucket
) -> None:
    service.command = ("serve", "--no-work")
    async with EventReceiver() as events, person_of(service) as person:
        service.settings |= {"EVENTS_URL": events.url, "EVENTS_SECRET": SECRET, "EVENTS_NETWORKS": "127.0.0.0/8"}
        service.settings |= {"MAX_ATTEMPTS": "2", "NOTIFY_SILENCE": "2s"}
        await service.start()
        async with worker_process(service, "worker") as worker:
            hashes = await _deliver(sandbox, service)
            await service.until_archived(1)
            hashes |= await _bucket_key_revoked(sandbox, service, seaweed, bucket, person)
            hashes |= await _platform_key_revoked(sandbox, service, person)
            await _worker_gone(service, worker, person)
        async with worker_process(service, "another"):
            await person.is_told("Over: A worker lives again")
            hashes |= await _webhook_silent(sandbox, service, person)
            hashes |= (dead := await _recording_dead(sandbox, service, person))
            await _forged_posts(service, person)
            await check_invariants(service, archived=hashes)
            await _object_damaged(service, seaweed, bucket, next(iter(dead)), person)
            await _got(events, hashes, dead=next(iter(dead)))
        await _leaves_its_place(service)
    log = service.log_path.read_text()
    assert "canary-token-of-the-hook" not in log
    assert "ops@example.com" not in log


@ON_SQLITE  # a full PostgreSQL is the server's to tell, by the same error of a write
async def test_a_full_disk_reaches_a_person_though_nothing_can_be_noted(sandbox: Sandbox, service: Service) -> None:
    """A limit on the size of files stands for the disk: the write-ahead log cannot grow beyond it."""
    del sandbox
    log = service.folder / "receiver.db-wal"
    async with person_of(service) as person:
        await service.start()
        with _at_most(service, log.stat().st_size + FEW_BYTES):
            await person.is_told("The database takes no writes", "disk", "Command: receiver check")
        await person.is_told("Over: The database takes writes again", "receiver reconcile")
    assert await service.stop() == 0


async def _bucket_key_revoked(
    sandbox: Sandbox, service: Service, seaweed: SeaweedServer, bucket: Bucket, person: Person
) -> dict[str, str]:
    with _revoked(seaweed):
        with pytest.raises(StoreDeniedError):
            await _until_refused(bucket)
        hashes = await _deliver(sandbox, service, 3)
        told = (
            "InvalidAccessKeyId",
            "mend the credentials",
            "Recordings that wait for it: ",
            "Command: receiver check",
        )
        await person.is_told("The bucket takes no recordings", *told)
    await service.until_archived(4)
    await person.is_told("Over: The bucket takes recordings again")
    return hashes


async def _until_refused(bucket: Bucket) -> None:
    async with asyncio.timeout(REACHED_S):
        while True:
            await bucket.open_uploads("")


async def _platform_key_revoked(sandbox: Sandbox, service: Service, person: Person) -> dict[str, str]:
    await control(sandbox, "PATCH", "/credentials", {"admin_key": "canary-admin-key-2"})
    hashes = await _deliver(sandbox, service, 3)
    told = ("401", "RECEIVER_API_ADMIN_KEY", "Command: receiver check")
    await person.is_told("The Meetings API serves nobody", *told)
    await control(sandbox, "PATCH", "/credentials", {"admin_key": sandbox.config.admin_key})
    await service.until_archived(7)
    await person.is_told("Over: The Meetings API serves again")
    return hashes


async def _worker_gone(service: Service, worker: Process, person: Person) -> None:
    """Kill it, and let PostgreSQL believe that this was some minutes ago."""
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    back = "- interval '5 minutes'"
    ages = f"UPDATE pgqueuer SET execute_after = execute_after {back}, heartbeat = heartbeat {back}"  # noqa: S608
    database = open_database(service.database_url)
    await database.write(lambda tx: tx.execute(sa.text(ages)))
    await database.close()
    await person.is_told("No worker lives", "Command: receiver work")


async def _webhook_silent(sandbox: Sandbox, service: Service, person: Person) -> dict[str, str]:
    """Bring one of two recordings; the other's webhook never comes."""
    made = await make_meeting(sandbox, *[{"kind": "mp4", "created_at": ago(hours=1)}] * 2)
    brought = made["payload"] | {"callRecords": made["payload"]["callRecords"][:1]}
    assert (await service.post(json.dumps(brought).encode())).status_code == 202
    code, stdout, stderr = await service.ran("reconcile", "--json")
    assert json.loads(stdout)["found"] == 1, (code, stdout, stderr)
    told = ("Recordings that no webhook brought: 1;", "Meetings settings", "--public-url")
    await person.is_told("The webhook is silent, and there are new recordings", *told)
    hashes = await _deliver(sandbox, service)
    await person.is_told("Over: The webhook speaks again")
    await service.until_archived(10)
    return hashes | {one["_id"]: one["sha256"] for one in made["recordings"]}


async def _recording_dead(sandbox: Sandbox, service: Service, person: Person) -> dict[str, str]:
    """Have the platform's storage give out a page for the file, until somebody mends that and retries."""
    made = await make_meeting(sandbox, FILE)
    (recording,) = made["recordings"]
    await set_fault(sandbox, on="storage", match=recording["file_uid"], kind="html")
    await service.post(json.dumps(made["payload"]).encode())
    text = await person.is_told("Recordings were given up", f"{recording['_id']} (source_not_media)")
    await control(sandbox, "DELETE", "/faults")
    await _does(service, text)
    await person.is_told("Over: Recordings that were given up are well again, cancelled or erased", recording["_id"])
    return {recording["_id"]: recording["sha256"]}


async def _object_damaged(
    service: Service, seaweed: SeaweedServer, bucket: Bucket, recording_id: str, person: Person
) -> None:
    """Change a byte in the store's own file, unnoticed by it; the next reading finds that, a repair ends it."""
    (item,) = [one for one in await service.recordings() if one["id"] == recording_id]
    content = b"".join([chunk async for chunk in bucket.read(item["archive"]["key"])])
    flip(seaweed, content, len(content) // 2, is_noticed=False)
    code, _, stderr = await service.ran("audit", "--recording-id", recording_id)
    assert code == 1, stderr
    await _does(
        service, await person.is_told("Archived objects are not what was archived", f"{recording_id} (damaged)")
    )
    await person.is_told("Over: Objects that were found damaged are intact again, or erased", recording_id)


async def _forged_posts(service: Service, person: Person) -> None:
    wrong = service.webhook_url.replace(WEBHOOK_SECRET, "a-guess-of-a-secret")
    async with httpx.AsyncClient(timeout=30, verify=PLAIN) as client:
        for _ in range(FORGED_POSTS):
            assert (await client.post(wrong, content=b"{}")).status_code == 401
    told = ("bar the senders at the proxy", "RECEIVER_WEBHOOK_ALLOWED_IPS")
    await person.is_told("Many posts to the webhook are refused", *told)
    await person.is_told("Over: The webhook is posted to as usual again")


async def _does(service: Service, text: str) -> None:
    """Do what a message says, word for word."""
    (command,) = re.findall(r"^Command: receiver (.*?)\r?$", text, re.MULTILINE)
    code, _, stderr = await service.ran(*command.split())
    assert code == 0, stderr


async def _got(events: EventReceiver, hashes: dict[str, str], *, dead: str) -> None:
    """See that another program heard of each recording that was archived, and of the one that failed."""

    def subjects(kind: str) -> dict[str, Any]:
        return {event["subject"]: event["data"] for event in events.got if event["type"] == f"recording.{kind}"}

    async with asyncio.timeout(REACHED_S):
        while not (subjects("archived").keys() >= hashes.keys() and subjects("repaired")):
            await asyncio.sleep(0.05)
    assert {one: data["archive"]["sha256"] for one, data in subjects("archived").items()} == hashes
    assert {one: data["error"]["code"] for one, data in subjects("failed").items()} == {dead: "source_not_media"}


async def _leaves_its_place(service: Service) -> None:
    """See that the process that told leaves the lease when it stops."""
    assert await service.stop() == 0
    database = open_database(service.database_url)
    held_until = await database.read(lambda tx: tx.execute(sa.select(notice_holders.c.held_until)).scalar_one())
    assert held_until <= datetime.now(UTC)
    await database.close()


@contextmanager
def _revoked(seaweed: SeaweedServer) -> Iterator[None]:
    """Take the key away from the store, which reads its identities again when it is told to."""
    config = seaweed._data_dir / "s3.json"
    before = config.read_text()
    config.write_text(before.replace(seaweed.access_key, "another"))
    assert seaweed._process is not None
    os.kill(seaweed._process.pid, signal.SIGHUP)
    try:
        yield
    finally:
        config.write_text(before)
        os.kill(seaweed._process.pid, signal.SIGHUP)


@contextmanager
def _at_most(service: Service, size_bytes: int) -> Iterator[None]:
    """Let no file of the process's grow beyond this."""
    assert service.process is not None
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size_bytes, unlimited))
    try:
        yield
    finally:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


async def _deliver(sandbox: Sandbox, service: Service, count: int = 1) -> dict[str, str]:
    made = await make_meeting(sandbox, *[FILE] * count)
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return {recording["_id"]: recording["sha256"] for recording in made["recordings"]}
