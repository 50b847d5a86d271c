"""Half an hour of everything at once: what leaks, what is lost or doubled, and how long a webhook waits meanwhile.

`python -m tests.bench.soak [minutes]` (30 by default) runs `receiver serve --no-work` and two `receiver work` on a
PostgreSQL and a SeaweedFS of its own. Two webhooks a second, each with a recording of 300 KB, are posted when they are
due; once a minute platform, storage or bucket fails in turn for some seconds; every two minutes a worker is killed and
another started; readings and reconciliation run all the while. It prints resident memory and descriptors of the web
process and of the worker that nobody kills, at a quarter of the time and at the end, and the time of webhooks from when
each was due. Exits 1 where anything is lost, doubled or not proven, the log's chain is broken, memory grew by more than
10 % and 10 MB, descriptors by more than 10, or the p99 of a webhook is over 50 ms.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.bench import postgres_server, prepare
from tests.support.invariants import check_invariants
from tests.support.service import Process, Service, control, make_meeting, set_fault
from tests.support.store_proxy import Rule, StoreProxy, s3_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POSTS_S, FILE_BYTES = 2.0, 300_000
FAULT_EVERY_S, FAULT_LASTS_S, KILL_EVERY_S = 60.0, 10.0, 120.0
MOST_P99_S, MOST_GROWTH_MB, MOST_GROWTH, MOST_DESCRIPTORS = 0.05, 10.0, 0.1, 10


class Soak:
    """One run: `sources` has the SHA-256 of each file that was announced, `waited_s` how long each webhook took."""

    def __init__(self, service: Service, sandbox: Sandbox, store: StoreProxy, ends_s: float) -> None:
        self.sources: dict[str, str] = {}
        self.waited_s: list[float] = []
        self.kills = 0
        self._service, self._sandbox, self._store, self._ends_s = service, sandbox, store, ends_s

    async def post(self) -> None:
        """Post when each is due, whatever the one before it waits for."""
        due_s, running = time.monotonic(), set()
        while due_s < self._ends_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            posting = asyncio.create_task(self._one())
            running.add(posting)
            posting.add_done_callback(running.discard)
            due_s += 1 / POSTS_S
        await asyncio.gather(*running)

    async def _one(self) -> None:
        made = await make_meeting(self._sandbox, {"kind": "generated", "size_bytes": FILE_BYTES})
        (record,) = made["recordings"]
        body, began_s = json.dumps(made["payload"]).encode(), time.monotonic()
        answer = await self._service.post(body)
        self.waited_s.append(time.monotonic() - began_s)
        assert answer.status_code == 202, answer.text
        self.sources[record["_id"]] = record["sha256"]

    async def fail(self) -> None:
        """Let one side after the other fail for a while."""
        faults: list[Callable[[], Awaitable[None]]] = [
            lambda: set_fault(self._sandbox, on="api", kind="status", status=503),
            lambda: set_fault(self._sandbox, on="storage", kind="status", status=503),
            lambda: self._refuse(s3_error(503, "SlowDown")),
            lambda: self._refuse(s3_error(403, "AccessDenied")),
        ]
        for begin in cycle(faults):
            await asyncio.sleep(FAULT_EVERY_S - FAULT_LASTS_S)
            if time.monotonic() > self._ends_s - FAULT_LASTS_S:
                return
            await begin()
            await asyncio.sleep(FAULT_LASTS_S)
            await control(self._sandbox, "DELETE", "/faults")
            self._store.rules.clear()

    async def _refuse(self, answer: bytes) -> None:
        self._store.rules.append(Rule(".*", times=1_000_000, answer=answer))

    async def kill(self, stack: AsyncExitStack) -> None:
        """Kill one worker after the other, and start another each time."""
        worker = await self._service.run("work", log=self._service.folder / "killed-0.log")
        while time.monotonic() < self._ends_s - KILL_EVERY_S:
            await asyncio.sleep(KILL_EVERY_S)
            worker.kill()
            await worker.wait()
            self.kills += 1
            worker = await self._service.run("work", log=self._service.folder / f"killed-{self.kills}.log")
        stack.push_async_callback(_stop, worker)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _seen(processes: dict[str, Process]) -> dict[str, tuple[float, int]]:
    """Return resident memory in MB and open descriptors of each."""
    watched = {name: psutil.Process(process.pid) for name, process in processes.items()}
    return {name: (one.memory_info().rss / 1e6, one.num_fds()) for name, one in watched.items()}


async def _proven(service: Service, soak: Soak) -> bool:
    """Wait until all is archived, and compare index, bucket and log with what was announced."""
    async with asyncio.timeout(300):
        while True:
            stats = await _asked(service, "/api/stats")
            if stats["recordings"].get("archived", 0) == len(soak.sources):
                break
            await asyncio.sleep(1)
    await check_invariants(service, archived=soak.sources)
    code, stdout, stderr = await service.ran("audit-log", "--verify", "--json")
    print(f"log: {json.loads(stdout)['entries']:,} entries, exit code {code} {stderr.strip()}")
    return code == 0


async def _asked(service: Service, path: str) -> Any:
    async with service.client() as client:
        answer = await client.get(path)
        answer.raise_for_status()
        return answer.json()


def _judged(soak: Soak, early: dict[str, tuple[float, int]], late: dict[str, tuple[float, int]]) -> bool:
    good = True
    for name, (before_mb, before_fds) in early.items():
        after_mb, after_fds = late[name]
        grew = after_mb - before_mb > max(MOST_GROWTH_MB, before_mb * MOST_GROWTH)
        good &= not grew and after_fds - before_fds <= MOST_DESCRIPTORS
        print(f"{name}: {before_mb:.0f} MB, then {after_mb:.0f}; descriptors {before_fds}, then {after_fds}")
    waited = sorted(soak.waited_s)
    p50, p99 = waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
    print(f"{len(waited):,} webhooks: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f}, most {waited[-1] * 1000:.0f}")
    print(f"{len(soak.sources):,} recordings, {soak.kills} workers killed")
    return good and p99 <= MOST_P99_S


async def main(minutes: float) -> int:
    """Run it."""
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            seaweed = await stack.enter_async_context(SeaweedServer(folder / "s3"))
            sandbox = await stack.enter_async_context(Sandbox(SandboxConfig()))
            store = await stack.enter_async_context(StoreProxy(seaweed.endpoint_url))
            service = Service(folder, f"soak-{secrets.token_hex(4)}", seaweed, sandbox)
            service.settings |= {"DATABASE_URL": postgres.get_uri(), "S3_ENDPOINT_URL": store.endpoint_url}
            service.settings |= {"AUDIT_EVERY": "10m", "AUDIT_MB_S": "1", "RECONCILE_EVERY": "2m"}
            service.settings |= {"BACKOFF_BASE_S": "1", "BACKOFF_MAX_S": "10"}
            service.command = ("serve", "--no-work")
            await prepare(service)
            await stack.enter_async_context(service)
            assert service.process is not None
            steady = await service.run("work", log=folder / "steady.log")
            stack.push_async_callback(_stop, steady)
            watched = {"serve --no-work": service.process, "work": steady}
            soak = Soak(service, sandbox, store, time.monotonic() + minutes * 60)
            running = asyncio.gather(soak.post(), soak.fail(), soak.kill(stack))
            await asyncio.wait({running}, timeout=minutes * 15)
            early = _seen(watched)
            await running
            is_good = _judged(soak, early, _seen(watched))
            return int(not await _proven(service, soak) or not is_good)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30)))
