"""What goes wrong with a running deployment reaches a person by one message, and one more when it is over."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.app.notices import make_watch
from receiver.jobs import open_jobs
from receiver.notices import Watch, WatchPace
from receiver.sandbox import Sandbox
from receiver.settings import Settings
from receiver.tables import notice_holders, open_database
from tests.support.databases import ON_SQLITE
from tests.support.event_receiver import SECRET, EventReceiver
from tests.support.invariants import check_invariants
from tests.support.mailbox import Mailbox
from tests.support.service import Service, control, make_meeting, set_fault
from tests.support.store_proxy import Rule, StoreProxy, s3_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILE = {"kind": "mp4"}
PACE = WatchPace(
    look_every=timedelta(seconds=0.1),
    held_for=timedelta(seconds=0.5),
    gone_for=timedelta(seconds=1),
    gathered_for=timedelta(seconds=0.5),
)
REACHED_S = 60


@asynccontextmanager
async def watching(service: Service, mailbox: Mailbox) -> AsyncIterator[Watch]:
    """Tell people of the service's index, as the service itself does, at a test's pace."""
    database = open_database(service.database_url)
    settings = Settings(database_url=service.database_url, s3_bucket="team", notify_urls=mailbox.url)
    watch = make_watch(settings, database, open_jobs(database, concurrency=1), PACE)
    assert watch is not None
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    try:
        yield watch
    finally:
        stop.set()
        await running
        await database.close()


async def told(mailbox: Mailbox, *titles: str) -> None:
    """Wait for these messages, and then long enough for one too many."""
    async with asyncio.timeout(REACHED_S):
        while len(mailbox.mails) < len(titles):
            await asyncio.sleep(0.05)
    for _ in range(10):
        await asyncio.sleep(PACE.look_every.total_seconds())
    assert mailbox.titles == list(titles)


@ON_SQLITE  # what is told of is read alike
async def test_outages_and_dead_recordings_reach_people_once_and_programs_in_order(
    sandbox: Sandbox, service: Service, store_proxy: StoreProxy
) -> None:
    titles: list[str] = []
    hashes: dict[str, str] = {}
    async with Mailbox() as mailbox, EventReceiver() as events, watching(service, mailbox):
        service.settings |= {
            "MAX_ATTEMPTS": "2",
            "EVENTS_URL": events.url,
            "EVENTS_SECRET": SECRET,
            "EVENTS_NETWORKS": "127.0.0.0/8",
        }
        await service.start()
        hashes |= await _deliver(sandbox, service)
        await service.until_archived(1)

        store_proxy.rules.append(Rule(".*", times=1_000_000, answer=s3_error(403, "InvalidAccessKeyId")))
        hashes |= await _deliver(sandbox, service, 3)
        await told(mailbox, *(titles := [*titles, "The bucket takes no recordings"]))
        assert "InvalidAccessKeyId" in mailbox.mails[-1].get_content()
        assert "mend the credentials" in mailbox.mails[-1].get_content()
        store_proxy.rules.clear()
        await service.until_archived(len(hashes))
        await told(mailbox, *(titles := [*titles, "Over: The bucket takes recordings again"]))

        await set_fault(sandbox, on="api", kind="status", status=401)
        hashes |= await _deliver(sandbox, service, 3)
        await told(mailbox, *(titles := [*titles, "The Meetings API serves nobody"]))
        assert "RECEIVER_API_ADMIN_KEY" in mailbox.mails[-1].get_content()
        await control(sandbox, "DELETE", "/faults")
        await service.until_archived(len(hashes))
        await told(mailbox, *(titles := [*titles, "Over: The Meetings API serves again"]))

        dead = await make_meeting(sandbox, FILE)
        (recording,) = dead["recordings"]
        await set_fault(sandbox, on="storage", match=recording["file_uid"], kind="html")
        await service.post(json.dumps(dead["payload"]).encode())
        await told(mailbox, *(titles := [*titles, "Recordings were given up"]))
        assert f"{recording['_id']} (source_not_media)" in mailbox.mails[-1].get_content()
        async with service.client() as client:
            (await client.post(f"/api/recordings/{recording['_id']}/cancel")).raise_for_status()
        over = "Over: Recordings that were given up are well again, cancelled or erased"
        await told(mailbox, *(titles := [*titles, over]))

        async with asyncio.timeout(REACHED_S):
            while len(events.got) < len(hashes) + 1:
                await asyncio.sleep(0.05)
    archived = [event for event in events.got if event["type"] == "recording.archived"]
    assert {event["subject"]: event["data"]["archive"]["sha256"] for event in archived} == hashes
    (failed,) = [event for event in events.got if event["type"] == "recording.failed"]
    assert (failed["subject"], failed["data"]["error"]["code"]) == (recording["_id"], "source_not_media")
    await check_invariants(service, archived=hashes)
    await _looks_by_itself(service, mailbox)


WATCHER = """
import asyncio, sys
from datetime import timedelta
from receiver.app.notices import make_watch
from receiver.jobs import open_jobs
from receiver.notices import WatchPace
from receiver.settings import Settings
from receiver.tables import open_database

async def main(database_url, mail_url):
    database = open_database(database_url)
    settings = Settings(database_url=database_url, s3_bucket="team", notify_urls=mail_url)
    soon = timedelta(seconds=0.5)
    pace = WatchPace(look_every=timedelta(seconds=0.05), held_for=soon, gone_for=soon)
    await make_watch(settings, database, open_jobs(database, concurrency=1), pace).run(asyncio.Event())

asyncio.run(main(*sys.argv[1:]))
"""
FEW_BYTES = 60_000


@ON_SQLITE  # a full PostgreSQL is the server's to tell, by the same error of a write
async def test_a_full_disk_reaches_people_though_nothing_can_be_noted(database_url: str) -> None:
    """A limit on the size of files stands for the disk: the write-ahead log cannot grow beyond it."""
    unlimited = resource.RLIM_INFINITY
    log = Path(f"{database_url.removeprefix('sqlite:///')}-wal")
    async with Mailbox() as mailbox:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", WATCHER, database_url, mailbox.url)
        try:
            async with asyncio.timeout(REACHED_S):
                while not _size_bytes(log):
                    await asyncio.sleep(0.02)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_size_bytes(log) + FEW_BYTES, unlimited))
            await told(mailbox, "The database takes no writes")
            assert "Command: receiver check" in mailbox.mails[0].get_content()
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
            await told(mailbox, "The database takes no writes", "Over: The database takes writes again")
            assert "receiver reconcile" in mailbox.mails[1].get_content()
        finally:
            process.kill()
            await process.wait()


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _looks_by_itself(service: Service, mailbox: Mailbox) -> None:
    """See that the service has the lease while it runs, and leaves it when it stops."""
    await service.stop()
    service.settings["NOTIFY_URLS"] = mailbox.url
    await service.start()
    database = open_database(service.database_url)
    query = sa.select(notice_holders.c.held_until)
    async with asyncio.timeout(REACHED_S):
        while True:
            held_until = await database.read(lambda tx: tx.execute(query).scalar_one())
            if held_until > datetime.now(UTC) + timedelta(seconds=30):
                break
            await asyncio.sleep(0.05)
    assert await service.stop() == 0
    assert await database.read(lambda tx: tx.execute(query).scalar_one()) <= datetime.now(UTC)
    await database.close()
    log = service.log_path.read_text()
    assert "canary-token-of-the-hook" not in log
    assert "ops@example.com" not in log


async def _deliver(sandbox: Sandbox, service: Service, count: int = 1) -> dict[str, str]:
    made = await make_meeting(sandbox, *[FILE] * count)
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return {recording["_id"]: recording["sha256"] for recording in made["recordings"]}
