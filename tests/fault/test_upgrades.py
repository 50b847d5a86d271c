"""Restarts and upgrades while webhooks come: nothing is refused, lost or done twice."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from receiver.sandbox.ports import held_port
from tests.support.databases import ON_POSTGRESQL, ON_SQLITE
from tests.support.events import events
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.nginx import client, proxy
from tests.support.payloads import payload
from tests.support.releases import ROOT, lay_out, releases
from tests.support.service import WEBHOOK_SECRET, Process, Service, control, make_meeting, set_fault

if TYPE_CHECKING:
    from pathlib import Path

    from receiver.sandbox import Sandbox

PAUSE_S = 0.05
"""Between an answer and the next delivery."""


class Restarted:
    """A process of the service under a port that it keeps from one start to the next."""

    def __init__(self, service: Service, name: str, *arguments: str) -> None:
        self._service, self._arguments = service, arguments
        self._log = service.folder / f"{name}.log"
        self._process: Process | None = None
        self._starts = 0

    async def start(self, event: str) -> None:
        """Start it and wait for what it then logs."""
        self._process = await self._service.run(*self._arguments, log=self._log)
        self._starts += 1
        async with asyncio.timeout(60):
            while len(events([self._log], event)) < self._starts:
                assert self._process.returncode is None, self._log.read_text()[-3000:]
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 60)


@ON_POSTGRESQL  # SQLite has one process
async def test_web_and_workers_restarted_one_by_one_behind_nginx_refuse_and_lose_nothing(
    sandbox: Sandbox, service: Service, tmp_path: Path
) -> None:
    hook = f"/webhooks/recording-done/{WEBHOOK_SECRET}"
    sources: dict[str, str] = {}
    answers: list[int] = []

    async def deliver(port: int) -> None:
        async with client(port) as outside:
            while True:
                made = await make_meeting(sandbox, {"kind": "mp4"})
                sources.update({record["_id"]: record["sha256"] for record in made["recordings"]})
                answers.append((await outside.post(hook, content=json.dumps(made["payload"]))).status_code)
                await asyncio.sleep(PAUSE_S)

    with ExitStack() as ports:
        first, second = (ports.enter_context(held_port()) for _ in range(2))
        webs = [
            Restarted(service, f"web-{port}", "serve", "--no-work", "--port", str(port)) for port in (first, second)
        ]
        workers = [Restarted(service, f"worker-{number}", "work") for number in range(2)]
        async with AsyncExitStack() as stack:
            for process, ready in each(webs, workers):
                await process.start(ready)
                stack.push_async_callback(process.stop)
            port = await stack.enter_async_context(proxy(tmp_path, f"127.0.0.1:{first}", f"127.0.0.1:{second}"))
            service.url = f"http://127.0.0.1:{first}"
            delivering = asyncio.create_task(deliver(port))
            for process, ready in each(webs, workers):
                before = len(answers)
                assert await process.stop() == 0
                await process.start(ready)
                async with asyncio.timeout(60):  # each was away while something came
                    while len(answers) < before + 5 and not delivering.done():
                        await asyncio.sleep(0.05)
            delivering.cancel()
            ended = await asyncio.gather(delivering, return_exceptions=True)
            assert [type(end) for end in ended] == [asyncio.CancelledError]
            assert set(answers) == {202}, answers
            # the one that was being delivered when it ended may have got through or not
            sources = dict(list(sources.items())[: len(answers)])
            await service.until(lambda items: all_archived(items, sources))
    logs = [service.folder / f"worker-{number}.log" for number in range(2)]
    stored = [event["key"] for event in events(logs, "file_stored")]
    assert len(stored) == len(set(stored)), "each was written once"


HANDED_OVER = 'exec 3<&{}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
RESTARTS = 3


@ON_SQLITE  # whose one process nothing stands in for
async def test_one_process_restarted_under_the_socket_that_systemd_holds_refuses_nothing(service: Service) -> None:
    answers: list[int] = []

    async def deliver(poster: int) -> None:
        while True:
            body = payload(f"r{poster}-{len(answers)}")
            answers.append((await service.post(body)).status_code)

    with socket.create_server(("127.0.0.1", 0)) as held:
        service.listens_on = held
        service.prefix = ("bash", "-c", HANDED_OVER.format(held.fileno()), "bash")
        service.command = ("serve", "--no-work")
        await service.start()
        assert service.url == f"http://127.0.0.1:{held.getsockname()[1]}"
        delivering = [asyncio.create_task(deliver(poster)) for poster in range(4)]
        for _ in range(RESTARTS):
            before = len(answers)
            async with asyncio.timeout(60):
                while len(answers) < before + 20 and not any(one.done() for one in delivering):
                    await asyncio.sleep(0.02)
            assert await service.stop() == 0
            await service.start()
        for one in delivering:
            one.cancel()
        ended = await asyncio.gather(*delivering, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError] * len(delivering)
    assert set(answers) == {202}, answers
    assert await service.stop() == 0
    await check_invariants(service, archived={})


def each(webs: list[Restarted], workers: list[Restarted]) -> list[tuple[Restarted, str]]:
    return [(web, "service_ready") for web in webs] + [(worker, "worker_started") for worker in workers]


def all_archived(items: list[dict[str, Any]], sources: dict[str, str]) -> bool:
    hashes = {item["id"]: item["archive"]["sha256"] for item in items if item["state"] == "archived"}
    return sources.items() <= hashes.items()


@pytest.mark.parametrize(
    ("database_url", "empty_database_url"), [("sqlite", "sqlite"), ("postgresql", "postgresql")], indirect=True
)
async def test_a_database_of_the_release_before_with_work_in_hand_is_taken_over(
    sandbox: Sandbox, service: Service, tmp_path: Path, empty_database_url: str
) -> None:
    """The release before the newest schema is killed in a transfer and with more in line; this one does the rest."""
    commit = [*releases()][-1]
    if commit is None:
        pytest.fail("there is no release before the first")
    old = tmp_path / "old"
    lay_out(commit, old)
    is_sqlite = empty_database_url.startswith("sqlite")
    url = f"sqlite:///{tmp_path}/before.db" if is_sqlite else empty_database_url
    service.settings |= {"DATABASE_URL": url, "CONCURRENCY": "1", "PART_SIZE_MB": "5"}
    service.environ["PYTHONPATH"] = str(old)
    service.forked = False
    service.known_server = ""  # that release tries the bucket for itself, if it does
    if not is_sqlite:
        migrating = await service.run("migrate", log=service.log_path)
        assert await migrating.wait() == 0, service.log_path.read_text()
    await set_fault(sandbox, on="storage", kind="slow", bytes_per_s=4_000_000, times=1)
    await service.start()
    made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": 30_000_000}, {"kind": "mp4"})
    assert (await service.post(json.dumps(made["payload"]).encode())).status_code == 202
    (large, _) = made["recordings"]
    async with asyncio.timeout(60):
        while (await control(sandbox, "GET", f"/recordings/{large['_id']}"))["bytes_sent"] < 8_000_000:
            await asyncio.sleep(0.05)
    assert service.process is not None
    service.process.send_signal(signal.SIGKILL)
    await service.process.wait()
    await age_heartbeats(url)
    service.environ["PYTHONPATH"] = str(ROOT)
    migrating = await service.run("migrate", log=service.log_path)
    assert await migrating.wait() == 0, service.log_path.read_text()
    async with service:
        await service.until_archived(2, timeout_s=120)
    await check_invariants(service, archived={record["_id"]: record["sha256"] for record in made["recordings"]})
