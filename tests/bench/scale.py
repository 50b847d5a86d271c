"""How the work of one `receiver work` compares with that of four, where the sources are slow and the CPU is idle.

`python -m tests.bench.scale` runs both on one PostgreSQL and prints recordings a minute and the ratio; exits 1 below
3.6. Every worker has two slots and every file takes about eight seconds, so the machine waits and does not compute.
Beside other load it prints less: four workers are the first to lack a core.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.bench import postgres_server, prepare
from tests.support.events import events
from tests.support.service import Service, make_meeting, set_fault, worker_process

FILES_PER_WORKER = 8
FILE_BYTES = 8_000_000
SOURCE_BYTES_S = 1_000_000
WANTED_RATIO = 3.6


async def _measure(service: Service, sandbox: Sandbox, workers: int) -> float:
    """Return recordings a minute of so many workers, from the first claim to the last archived."""
    async with AsyncExitStack() as stack:
        names = [f"worker-{secrets.token_hex(4)}" for _ in range(workers)]
        for name in names:
            await stack.enter_async_context(worker_process(service, name))
        logs = [service.folder / f"{name}.log" for name in names]
        made = await make_meeting(sandbox, {"kind": "mp4"})
        await service.post(json.dumps(made["payload"]).encode())
        await service.until(lambda items: all(item["state"] == "archived" for item in items))
        while not all(b"worker_started" in log.read_bytes() for log in logs):
            await asyncio.sleep(0.1)
        count = FILES_PER_WORKER * workers
        made = await make_meeting(sandbox, *[{"kind": "generated", "size_bytes": FILE_BYTES}] * count)
        ids = {record["_id"] for record in made["recordings"]}
        await service.post(json.dumps(made["payload"]).encode())
        async with asyncio.timeout(300):  # not asked through the API: that is a load of its own, larger for four
            while len(ended := _times(logs, "recording_archived", ids)) < count:
                await asyncio.sleep(0.5)
        return count / (max(ended) - min(_times(logs, "recording_claimed", ids))) * 60


def _times(logs: list[Path], kind: str, ids: set[str]) -> list[float]:
    return [event["at"] for event in events(logs, kind) if event["recording_id"] in ids]


async def main() -> int:
    """Measure one worker and four, twice each in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with postgres_server() as postgres:
            async with SeaweedServer(folder / "s3") as seaweed, Sandbox(SandboxConfig()) as sandbox:
                service = Service(folder, f"bench-{secrets.token_hex(4)}", seaweed, sandbox)
                service.settings |= {"DATABASE_URL": postgres.get_uri(), "CONCURRENCY": "2", "HOST_CONCURRENCY": "2"}
                service.command = ("serve", "--no-work")
                await prepare(service)
                await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=SOURCE_BYTES_S)
                async with service:
                    rates = {n: max([await _measure(service, sandbox, n) for _ in range(2)]) for n in (1, 4)}
    ratio = rates[4] / rates[1]
    print(f"1 worker: {rates[1]:.1f} recordings/min; 4 workers: {rates[4]:.1f}; ratio {ratio:.2f} (≥ {WANTED_RATIO})")
    return int(ratio < WANTED_RATIO)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
