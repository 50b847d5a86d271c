"""Many workers on one PostgreSQL: they share the work, die, pause and lose the database; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.databases import ON_POSTGRESQL
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats, overdue_s
from tests.support.service import Service, control, make_meeting, set_fault, worker_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from receiver.sandbox import Sandbox

pytestmark = ON_POSTGRESQL  # SQLite has one worker
LEASE_S = 30
KILL_EVERY_S = 5
OVERDUE_S = 15
"""Half a lease: the queue is looked at every two seconds, and the rest is for a busy machine."""


@pytest.fixture(autouse=True)
def _shared(service: Service) -> None:
    service.settings |= {"PART_SIZE_MB": "5", "CONCURRENCY": "4"}
    service.command = ("serve", "--no-work")


async def _post(sandbox: Sandbox, service: Service, *recordings: dict) -> dict[str, str]:
    made = await make_meeting(sandbox, *recordings)
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    return {record["_id"]: record["sha256"] for record in made["recordings"]}


async def test_one_process_serves_and_works_on_postgresql(sandbox: Sandbox, service: Service) -> None:
    service.command = ("serve",)
    await service.start()
    sources = await _post(sandbox, service, {"kind": "mp4"}, {"kind": "generated", "size_bytes": 12_000_000})
    await service.until_archived(2)
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)


async def test_workers_killed_one_after_the_other_lose_and_double_nothing(sandbox: Sandbox, service: Service) -> None:
    """Thirty recordings of slow files over three workers; one is killed every five seconds and replaced, until done.

    What a worker held, running or in line for its host, is handed out again as soon as the heartbeats are too old.
    """
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=2_000_000)
    service.settings |= {"MAX_ATTEMPTS": "50", "CONCURRENCY": "2"}
    await service.start()
    sources: dict[str, str] = {}
    for _ in range(6):
        sources |= await _post(sandbox, service, *[{"kind": "generated", "size_bytes": 6_000_000}] * 5)
    names = ["worker-0", "worker-1", "worker-2"]
    killed: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker_process(service, name)) for name in names]
        logs = [service.folder / f"{name}.log" for name in names]
        await _until_all(logs, "recording_claimed")
        longest = await stack.enter_async_context(_longest_overdue(service))
        while not await _all_archived_within(service, KILL_EVERY_S, count=30):
            victim = len(killed)
            workers[victim].send_signal(signal.SIGKILL)
            await workers[victim].wait()
            log = service.folder / f"{names[victim]}.log"
            killed[names[victim]] = await age_heartbeats(service.database_url, of=_unended(log))
            names.append(f"worker-{len(names)}")
            workers.append(await stack.enter_async_context(worker_process(service, names[-1])))
            await _until_all([service.folder / f"{names[-1]}.log"], "worker_started")  # there are always two that work
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)
    logs = [service.folder / f"{name}.log" for name in names]
    lost = _check_ends(events(logs, "recording_claimed"), events(logs, "recording_archived"), set(killed), sources)
    writes = Counter(event["key"] for event in events(logs, "file_stored"))
    assert set(writes.values()) == {1}, "each object was written once"
    print(f"killed with so many jobs in hand: {killed}; {len(lost)} runs lost, {longest[0]:.1f} s overdue at most")
    assert longest[0] < OVERDUE_S


async def _until_all(logs: list[Path], kind: str) -> None:
    """Return once each of these logs has an event of this kind."""
    async with asyncio.timeout(60):
        while not all(events([log], kind) for log in logs):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _longest_overdue(service: Service) -> AsyncIterator[list[float]]:
    """Keep, in the one place of the list, the longest that a job was left with a worker after its heartbeat expired.

    It counts each hand-out by itself: the time between two runs knows no bound, for whoever takes a lost job over may
    be killed as well, even before it runs the job.
    """
    longest = [0.0]

    async def look() -> None:
        while True:
            longest[0] = max(longest[0], await overdue_s(connection))
            await asyncio.sleep(0.2)

    connection = await asyncpg.connect(service.database_url)
    looking = asyncio.create_task(look())
    try:
        yield longest
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await connection.close()


async def _all_archived_within(service: Service, timeout_s: float, *, count: int) -> bool:
    try:
        await service.until_archived(count, timeout_s=timeout_s)
    except AssertionError:
        return False
    return True


def _unended(log: Path) -> set[str]:
    """Return the recordings that a worker's log says it runs."""
    claims, ends = events([log], "recording_claimed"), events([log], "recording_archived")
    return {event["recording_id"] for event in claims} - {event["recording_id"] for event in ends}


def _check_ends(
    claims: list[dict[str, Any]], ends: list[dict[str, Any]], killed: set[str], sources: dict[str, str]
) -> set[tuple[str, str]]:
    """Assert that each recording ran to completion once, whoever ran it; return the runs (worker, id) lost in kills."""
    ended = Counter(event["recording_id"] for event in ends)
    assert set(ended.values()) == {1}, "no job ran to completion twice"
    completed = {(event["process"], event["recording_id"]) for event in ends}
    lost = {(event["process"], event["recording_id"]) for event in claims} - completed
    assert {worker for worker, _ in lost} <= killed, "only the dead left a run unended"
    assert len({worker for worker, _ in lost}) >= 3, "three were killed in the middle of work"
    # a kill between the last commit and its log line leaves a completed run unlogged, and nothing to be run again
    assert sources.keys() - ended.keys() <= {recording_id for _, recording_id in lost}
    return lost


async def test_a_paused_worker_that_wakes_changes_nothing(sandbox: Sandbox, service: Service) -> None:
    """SIGSTOP for longer than the lease, while another takes the recording over; then SIGCONT."""
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=4_000_000, times=1)
    await service.start()
    async with AsyncExitStack() as stack:
        paused = await stack.enter_async_context(worker_process(service, "paused"))
        sources = await _post(sandbox, service, {"kind": "generated", "size_bytes": 30_000_000})
        (recording_id,) = sources
        while (await control(sandbox, "GET", f"/recordings/{recording_id}"))["bytes_sent"] < 8_000_000:
            await asyncio.sleep(0.05)
        paused.send_signal(signal.SIGSTOP)
        began = asyncio.get_running_loop().time()
        await stack.enter_async_context(worker_process(service, "winner"))
        (won,) = await service.until_archived(1, timeout_s=LEASE_S * 3)
        print(f"taken over and archived {asyncio.get_running_loop().time() - began:.1f} s after the pause")
        paused.send_signal(signal.SIGCONT)
        log = service.folder / "paused.log"
        async with asyncio.timeout(60):
            while b"run_abandoned" not in log.read_bytes():
                await asyncio.sleep(0.1)
        (after,) = await service.recordings()
        assert after == won
        assert won["attempts"] == 1
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)


async def test_postgresql_stopped_while_posts_arrive(sandbox: Sandbox, service: Service, postgres) -> None:
    """503 and Retry-After while it is away; back up, everything acknowledged is archived, with no restart of ours."""
    service.command = ("serve",)
    await service.start()
    sources = await _post(sandbox, service, {"kind": "mp4"})
    await service.until_archived(1)
    async with service.client() as client:
        assert "receiver_index_stale 0.0" in (await client.get("/metrics")).text
    postgres.stop()
    try:
        made = await make_meeting(sandbox, {"kind": "mp4"})
        body = json.dumps(made["payload"]).encode()
        down = await service.post(body)
        assert (down.status_code, down.headers["retry-after"]) == (503, "5")
        async with service.client() as client:
            async with asyncio.timeout(10):  # a write that succeeded stands for a second
                while (await client.get("/readyz")).status_code != 503:
                    await asyncio.sleep(0.1)
            shown = await client.get("/metrics")
            assert shown.status_code == 200
            assert "receiver_index_stale 1.0" in shown.text
            assert 'receiver_recordings{state="archived"} 1.0' in shown.text, "as it was before"
    finally:
        postgres.ensure_postgres_running()
    async with asyncio.timeout(30):
        while (answer := await service.post(body)).status_code == 503:
            await asyncio.sleep(0.2)
    assert answer.status_code == 202
    async with service.client() as client:
        assert "receiver_index_stale 0.0" in (await client.get("/metrics")).text
    sources |= {record["_id"]: record["sha256"] for record in made["recordings"]}
    await service.until_archived(2)
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)


async def test_backends_killed_at_random_lose_nothing(sandbox: Sandbox, service: Service) -> None:
    service.command = ("serve",)
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=4_000_000)
    service.settings["MAX_ATTEMPTS"] = "50"
    await service.start()
    sources = await _post(sandbox, service, *[{"kind": "generated", "size_bytes": 6_000_000}] * 12)
    admin = await asyncpg.connect(service.database_url)
    try:
        for _ in range(6):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.5)
    finally:
        await admin.close()
    await service.until_archived(12, timeout_s=150)
    assert await service.stop() == 0
    await check_invariants(service, archived=sources)


async def test_a_meeting_with_many_files_takes_turns_with_others(sandbox: Sandbox, service: Service) -> None:
    service.command = ("serve",)
    service.settings["CONCURRENCY"] = "2"
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=2_000_000)
    await service.start()
    await _post(sandbox, service, *[{"kind": "generated", "size_bytes": 600_000}] * 60)
    (late,) = await _post(sandbox, service, {"kind": "generated", "size_bytes": 600_000})
    items = await service.until(
        lambda items: any(item["id"] == late and item["state"] == "archived" for item in items), timeout_s=60
    )
    assert sum(item["state"] == "archived" for item in items) < 30
