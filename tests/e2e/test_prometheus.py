"""A real Prometheus scrapes a real service: each rule is evaluated, each query of the dashboard finds its series."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from receiver.sandbox import Sandbox
from tests.support.databases import ON_SQLITE
from tests.support.service import PLAIN, Service, make_meeting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEPLOY = Path(__file__).parents[2] / "deploy"
PANELS = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
QUERIES = sorted({target["expr"] for panel in PANELS for target in panel.get("targets", ())})
MAY_BE_EMPTY = ("ALERTS", "_errors_total", "connections_dropped_total", "last_reconciliation", "last_verified")
"""What a service that has run for seconds and met no error does not show."""
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: ['{rules}']
scrape_configs:
  - {{job_name: archive, static_configs: [{{targets: ['{target}']}}]}}
"""


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run Debian's Prometheus over one target with the rules of deploy/."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=DEPLOY / "prometheus" / "alerts.yml", target=target))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    log = (folder / "prometheus.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        stdout=log,
        stderr=log,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", verify=PLAIN, timeout=30) as client:
            async with asyncio.timeout(60):
                while not await is_ready(client):
                    assert process.returncode is None, (folder / "prometheus.log").read_text()
                    await asyncio.sleep(0.1)
            yield client
    finally:
        log.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def result_of(client: httpx.AsyncClient, query: str) -> list[Any]:
    filled = query.replace("$__rate_interval", "1m").replace("$job", "archive")
    answer = await client.get("/api/v1/query", params={"query": filled})
    assert answer.status_code == 200, (query, answer.text)
    found: list[Any] = answer.json()["data"]["result"]
    return found


async def until_found(client: httpx.AsyncClient, queries: list[str], *, timeout_s: float = 60) -> None:
    """Wait until each query has found something once."""
    until = asyncio.get_running_loop().time() + timeout_s
    while queries := [query for query in queries if not await result_of(client, query)]:
        assert asyncio.get_running_loop().time() < until, queries
        await asyncio.sleep(0.2)


async def rules_of(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    groups = (await client.get("/api/v1/rules")).json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


@ON_SQLITE  # the disk is shown of an embedded database alone
async def test_rules_and_dashboard_find_what_the_service_shows(
    sandbox: Sandbox, service: Service, tmp_path: Path
) -> None:
    await service.start()
    made = await make_meeting(sandbox, {"kind": "mp4"})
    async with prometheus(tmp_path, service.url.removeprefix("http://")) as client:
        await until_found(client, ["receiver_runs_total"])
        await service.post(json.dumps(made["payload"]).encode())
        await service.until_archived(1)
        await until_found(client, [query for query in QUERIES if not any(name in query for name in MAY_BE_EMPTY)])
        for query in QUERIES:
            await result_of(client, query)
        rules = await rules_of(client)
        while any(rule["health"] == "unknown" for rule in rules):
            await asyncio.sleep(0.2)
            rules = await rules_of(client)
        assert [rule for rule in rules if rule["health"] != "ok"] == []
        assert {rule["name"]: rule["state"] for rule in rules if rule["state"] != "inactive"} == {}
