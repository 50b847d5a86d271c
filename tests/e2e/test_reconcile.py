"""`receiver reconcile` and `receiver backfill` as processes, beside a service that the webhook never reached."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from receiver.tables import open_database, reconciled_meetings, recordings
from tests.support.databases import ON_SQLITE
from tests.support.reconciling import AS_USER, ago, old_file
from tests.support.service import control, set_fault

DROPPED = 120
KILLED = 120
"""More than a page of the listing holds."""


@pytest.fixture
def run(service):
    """Run a command; return its exit code, its JSON and its stderr."""

    async def finish(*arguments, input=None):  # noqa: A002
        if input is None:
            exit_code, stdout, stderr = await service.ran(*arguments, "--json")
            return exit_code, json.loads(stdout or b"null"), stderr
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver", *arguments, "--json"),
            env=service.environment(),
            cwd=service.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate(input)
        return process.returncode, json.loads(stdout or b"null"), stderr.decode()

    return finish


async def make_meetings(sandbox, count):
    """Make meetings of one small recording each, whose webhooks never come; return the platform's answers."""
    body = {"created_at": ago(days=3), "recordings": [old_file()]}
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        return [(await client.post("/_control/meetings", json=body)).json() for _ in range(count)]


def sources(made):
    """Return the SHA-256 of each recording."""
    return {one["_id"]: one["sha256"] for answer in made for one in answer["recordings"]}


def archived(items):
    return {item["id"]: item["archive"]["sha256"] for item in items}


async def metric(client, name):
    lines = (await client.get("/metrics")).text.splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.split()[1])


async def missed_webhooks(service):
    async with service.client() as client:
        return await metric(client, "receiver_webhook_missed_total")


async def until_archived(service, count):
    async with service.client() as client, asyncio.timeout(120):
        while await metric(client, 'receiver_recordings{state="archived"}') < count:
            await asyncio.sleep(0.5)


@ON_SQLITE  # for the time it takes; the next test is on both
async def test_every_webhook_dropped_and_everything_archived(sandbox, service, run):
    service.settings |= AS_USER | {"CONCURRENCY": "16"}
    made = await make_meetings(sandbox, DROPPED)
    await service.start()
    assert await missed_webhooks(service) == 0
    code, report, stderr = await run("reconcile", "--since", "30d")
    assert (code, stderr) == (0, "")
    assert (report["meetings"], report["recordings"], report["found"]) == (DROPPED, DROPPED, DROPPED)
    assert (report["gone"], report["changed"], report["resumed"], report["dry_run"]) == (0, 0, False, False)
    assert await missed_webhooks(service) == DROPPED
    await until_archived(service, DROPPED)
    items = await service.recordings()
    assert archived(items) == sources(made)
    assert {item["first_seen"]["via"] for item in items} == {"reconcile"}
    code, report, _ = await run("reconcile", "--since", "30d")
    assert (code, report["meetings"], report["found"]) == (0, DROPPED, 0)
    assert await missed_webhooks(service) == DROPPED


async def test_a_walk_that_is_killed_goes_on_where_it_was(sandbox, service, run):
    """No meeting is missed, and all requests together are little more than those of one walk."""
    service.settings |= AS_USER
    service.command = ("serve", "--no-work")  # so that only the walks ask the API
    await service.start()
    await make_meetings(sandbox, KILLED)
    await set_fault(sandbox, on="api", kind="slow", delay_s=0.1, match="/recordings/")
    process = await service.run("reconcile", "--since", "30d", log=service.folder / "killed.log")
    await until_done(service.database_url, KILLED // 2)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    code, report, stderr = await run("reconcile", "--since", "30d")
    assert (code, report["resumed"]) == (0, True)
    assert stderr == "" or "waiting for its end" in stderr
    assert (report["meetings"], report["recordings"], report["found"]) == (KILLED, KILLED, KILLED)
    assert await missed_webhooks(service) == len(await service.recordings()) == KILLED
    together = await requests(sandbox)
    await control(sandbox, "DELETE", "/faults")
    code, report, _ = await run("reconcile", "--since", "31d")
    assert (code, report["meetings"], report["resumed"]) == (0, KILLED, False)
    assert together <= 1.2 * await requests(sandbox)


async def requests(sandbox):
    """Return how many requests the API had since the last time."""
    asked = [one for one in await control(sandbox, "GET", "/requests") if one["side"] == "api"]
    await control(sandbox, "DELETE", "/requests")
    return len(asked)


async def until_done(database_url, meetings):
    """Wait until a walk has noted so many meetings as done."""
    database = open_database(database_url)
    count = sa.select(sa.func.count()).select_from(reconciled_meetings)
    try:
        async with asyncio.timeout(60):
            while await database.read(lambda tx: tx.execute(count).scalar_one()) < meetings:
                await asyncio.sleep(0.02)
    finally:
        await database.close()


async def test_the_service_reconciles_by_itself(sandbox, service):
    service.settings |= AS_USER | {"RECONCILE_EVERY": "1s"}
    made = await make_meetings(sandbox, 3)
    await service.start()
    await service.until_archived(3)
    assert await missed_webhooks(service) == 3
    more = await make_meetings(sandbox, 1)
    items = await service.until_archived(4)
    assert archived(items) == sources(made + more)


@ON_SQLITE  # about the command line; the walk is the same on both
async def test_the_exit_code_tells_whether_somebody_must_look(sandbox, service, run):
    service.settings |= AS_USER
    service.command = ("serve", "--no-work")
    await service.start()
    (recording_id,) = sources(await make_meetings(sandbox, 1))
    code, report, _ = await run("reconcile", "--dry-run")
    assert (code, report["found"], report["dry_run"]) == (0, 1, True)
    assert await service.recordings() == []
    assert (await run("reconcile"))[0] == 0
    await control(sandbox, "DELETE", f"/recordings/{recording_id}")
    database = open_database(service.database_url)
    await database.write(
        lambda tx: tx.execute(sa.update(recordings).values(first_seen_at=datetime.now(UTC) - timedelta(hours=1)))
    )
    await database.close()
    code, report, stderr = await run("reconcile")
    assert (code, report["gone"], report["lost"]) == (1, 1, 1)
    assert ("recording_lost" in stderr, recording_id in stderr) == (True, True)
    await set_fault(sandbox, on="api", kind="status", status=401)
    code, _, stderr = await run("reconcile")
    assert code == 1
    assert "Error: the Meetings API refused the login" in stderr
    service.settings |= dict.fromkeys(AS_USER, "")
    code, _, stderr = await run("reconcile")
    assert code == 2
    assert "RECEIVER_API_ADMIN_KEY" in stderr


async def test_meetings_named_by_their_ids_are_backfilled(sandbox, service, run, tmp_path):
    """As a team on an administration key does, whose key lists no meetings."""
    await service.start()
    made = await make_meetings(sandbox, 5)
    ids = [one["meeting"]["_id"] for one in made]
    lines = ["# exported today", "", *ids, f"  {ids[0]}  # again", "not/an/id", "0" * 24]
    (tmp_path / "ids.txt").write_text("\n".join(lines))
    code, report, _ = await run("backfill", "--meeting-ids", str(tmp_path / "ids.txt"), "--dry-run")
    assert (code, report["meetings"], report["found"], report["skipped"], report["unreadable"]) == (1, 6, 5, 1, 1)
    assert await service.recordings() == []
    code, report, stderr = await run("backfill", "--meeting-ids", str(tmp_path / "ids.txt"))
    assert (code, report["found"], report["skipped"], report["unreadable"]) == (1, 5, 1, 1)
    assert "line 9: not/an/id is no meeting's id" in stderr
    items = await service.until_archived(5)
    assert archived(items) == sources(made)
    assert {item["first_seen"]["via"] for item in items} == {"backfill"}
    assert await missed_webhooks(service) == 0
    code, report, _ = await run("backfill", "--meeting-ids", "-", input="\n".join(ids).encode())
    assert (code, report["meetings"], report["recordings"], report["found"]) == (0, 5, 5, 0)
