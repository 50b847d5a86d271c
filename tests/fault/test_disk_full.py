"""The disk is full under SQLite: deliveries are answered 503, the service says it is not ready, nothing is lost."""

from __future__ import annotations

import asyncio
import resource

import httpx

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.invariants import check_invariants
from tests.support.payloads import payload
from tests.support.service import PLAIN, Service

pytestmark = ON_SQLITE  # a full PostgreSQL is the server's to tell, by the same error of a write
UNLIMITED = resource.RLIM_INFINITY
FEW_BYTES = 60_000


async def test_readiness_follows_the_last_write(sandbox: Sandbox, service: Service) -> None:
    """A limit on the size of files stands for the disk: the write-ahead log cannot grow beyond it."""
    service.command = ("serve", "--no-work")
    await service.start()
    assert service.process is not None
    pid = service.process.pid
    log = service.folder / "receiver.db-wal"
    async with httpx.AsyncClient(base_url=service.url, timeout=30, verify=PLAIN) as client:
        assert (await client.get("/readyz")).status_code == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + FEW_BYTES, UNLIMITED))
        statuses = []
        async with asyncio.timeout(60):
            while 503 not in statuses[-3:]:
                # a checkpoint would give the log room again; it is far larger by then
                statuses.append((await service.post(payload(f"r{len(statuses)}"))).status_code)
            while (not_ready := await client.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.1)  # the last write that succeeded stands for a second
        assert not_ready.status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        assert "\nreceiver_database_writable 0.0\n" in (await client.get("/metrics")).text
        assert "readiness_refused" in service.log_path.read_text()

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        assert (await client.get("/readyz")).status_code == 200
        assert (await service.post(payload("last"))).status_code == 202
    kept = {item["id"] for item in await service.recordings()}
    assert kept >= {f"r{n}" for n, status in enumerate(statuses) if status == 202} | {"last"}
    assert await service.stop() == 0
    await check_invariants(service, archived={})
