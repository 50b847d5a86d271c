"""`receiver work` answers probes and metrics on RECEIVER_WORK_PORT, and nothing else."""

from __future__ import annotations

import asyncio

import httpx

from receiver.sandbox import Sandbox
from tests.support.databases import ON_POSTGRESQL
from tests.support.events import events
from tests.support.service import PLAIN, Service, worker_process

pytestmark = ON_POSTGRESQL  # on SQLite there is no `receiver work`


async def test_a_worker_tells_how_it_is(sandbox: Sandbox, service: Service) -> None:
    service.settings["WORK_PORT"] = "0"
    log = service.folder / "worker.log"
    async with worker_process(service, "worker") as process:
        async with asyncio.timeout(60):
            while not (ready := events([log], "service_ready") if log.exists() else []):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        assert ready[0]["url"].startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=ready[0]["url"], verify=PLAIN) as client:
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await client.get(path)).status_code == 200, path
            shown = (await client.get("/metrics")).text
            assert "receiver_index_stale 0.0" in shown
            assert "receiver_runs_total" in shown
            for path in ("/", "/sign-in", "/api/stats", "/webhooks/recording-done"):
                assert (await client.get(path)).status_code == 404, path
    assert process.returncode == 0
