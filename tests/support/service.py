"""The receiver as a user runs it: a process of its own, told everything by its environment."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from receiver.app import utc_now
from receiver.app.store import place_of
from receiver.catalogue import StoreNotes
from receiver.records import Learnt, StoreAbilities
from receiver.sandbox import Sandbox
from receiver.settings import Needs, survey
from receiver.tables import open_database
from tests.support.forked import ForkedProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from receiver.sandbox.seaweed import SeaweedServer

WEBHOOK_SECRET = "canary-webhook-secret-1"
OPS_TOKEN = "canary-ops-token-1"
Process = asyncio.subprocess.Process | ForkedProcess
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS: a client of httpx's own making reads all certificates of the world, 30 ms of CPU each."""
LONGEST_PAUSE_S = 0.2
"""Asking whether it is done costs both processes some milliseconds."""
READY_S = 60
"""How long a start may take before the test gives up: measured for coverage, beside others, it was once over 20 s."""


@dataclass
class Service:
    """One `receiver serve`; `settings` are added to the environment, without their prefix."""

    folder: Path
    bucket: str
    seaweed: SeaweedServer
    sandbox: Sandbox | None = None
    settings: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("serve",)
    prefix: tuple[str, ...] = ()
    """A program that runs the service, with bounds of its own."""
    listens_on: socket.socket | None = None
    """What systemd would hold for the service, and hand over at each start."""
    forked: bool = False
    """Whether its processes are forked where the libraries are imported already, or started as a user does."""
    known_server: str = ""
    """What the store calls itself, where it is known to do what AWS documents; else the first start has to try it."""
    traced: bool = False
    """Whether the process is measured where all is: then it is not forked, and its start three times as slow."""
    process: Process | None = None
    url: str = ""
    acknowledged: set[str] = field(default_factory=set)
    """SHA-256 of every body that was answered with a 2xx."""

    @property
    def is_running(self) -> bool:
        """Tell whether the process was started and has not ended."""
        return self.process is not None and self.process.returncode is None

    @property
    def database_url(self) -> str:
        """Where the index is: a SQLite file of the service's own unless the test says otherwise."""
        return self.settings.get("DATABASE_URL") or f"sqlite:///{self.folder}/receiver.db"

    @property
    def log_path(self) -> Path:
        """Where every start's output went."""
        return self.folder / "receiver.log"

    @property
    def webhook_url(self) -> str:
        """What a team would paste into Meetings settings."""
        return f"{self.url}/webhooks/recording-done/{WEBHOOK_SECRET}"

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the process: nothing of the tests' own leaks in."""
        own = {
            "S3_BUCKET": self.bucket,
            "S3_ENDPOINT_URL": self.seaweed.endpoint_url,
            "S3_REGION": self.seaweed.region,
            "DATABASE_URL": self.database_url,
            "WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "OPS_TOKENS": f"tester:admin:{OPS_TOKEN}",
            "BACKOFF_BASE_S": "0.05",
            "BACKOFF_MAX_S": "0.2",
        }
        if self.sandbox is not None:
            own |= {
                "API_URL": self.sandbox.url,
                "API_ADMIN_KEY": self.sandbox.config.admin_key,
                "DOWNLOAD_HOSTS": self.sandbox.storage_url,
                "DOWNLOAD_NETWORKS": "127.0.0.0/8",
            }
        own |= self.settings
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.seaweed.access_key,
            "AWS_SECRET_ACCESS_KEY": self.seaweed.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self._coverage(),
            **{f"RECEIVER_{name}": value for name, value in own.items() if value},
            **self.environ,
        }

    def _coverage(self) -> dict[str, str]:
        """Return what has the process measured, where all is measured and this service is to be."""
        return {name: value for name, value in os.environ.items() if name.startswith("COV") and self.traced}

    async def run(self, *arguments: str, log: Path) -> Process:
        """Start `receiver` with the service's environment; what it prints goes to the end of `log`."""
        if self.known_server:
            await self._note_abilities()
        if self.forked and not self.prefix and not self._coverage():
            return ForkedProcess(arguments, env=self.environment(), cwd=self.folder, stdout=log, stderr=log)
        with log.open("ab") as written:
            return await asyncio.create_subprocess_exec(
                *(*self.prefix, sys.executable, "-m", "receiver", *arguments),
                env=self.environment(),
                cwd=self.folder,
                stdout=written,
                stderr=written,
                pass_fds=() if self.listens_on is None else (self.listens_on.fileno(),),
            )

    async def _note_abilities(self) -> None:
        """Note in the index what `test_store_trial` learns of this server, as an earlier start would have."""
        settings, _ = survey(Needs.BUCKET, self.environment(), None)
        learnt = Learnt(abilities=StoreAbilities(), server=self.known_server, at=utc_now())
        database = open_database(self.database_url)
        await StoreNotes(database, place_of(settings)).save(learnt)
        await database.close()
        self.known_server = ""

    async def ran(self, *arguments: str, cwd: Path | None = None) -> tuple[int, bytes, str]:
        """Run a command beside the service, in a folder of its own; return its exit code, its stdout and its stderr."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        stdout, stderr = folder / "stdout", folder / "stderr"
        process = ForkedProcess(arguments, env=self.environment(), cwd=cwd or folder, stdout=stdout, stderr=stderr)
        return await process.wait(), stdout.read_bytes(), stderr.read_text()

    async def start(self) -> None:
        """Start and wait until the service says it is ready, on a new port: the last one may be another's by now."""
        already_logged = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.process = await self.run(*self.command, "--port", "0", log=self.log_path)
        async with asyncio.timeout(READY_S):
            while not (url := _ready_url(self.log_path, already_logged)):
                if self.process.returncode is not None:
                    raise RuntimeError(self.log_path.read_text()[-3000:])
                await asyncio.sleep(0.02)
        self.url = url

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, as a supervisor would; return the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 40)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.stop()

    def client(self, token: str = OPS_TOKEN) -> httpx.AsyncClient:
        """Return an HTTP client of the operators' API."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30, verify=PLAIN
        )

    async def post(self, body: bytes) -> httpx.Response:
        """Deliver a webhook body."""
        async with httpx.AsyncClient(timeout=30, verify=PLAIN) as client:
            answer = await client.post(self.webhook_url, content=body, headers={"Content-Type": "application/json"})
        if answer.is_success:
            self.acknowledged.add(hashlib.sha256(body).hexdigest())
        return answer

    async def recordings(self, **query: Any) -> list[dict[str, Any]]:
        """Return every recording, through the API."""
        async with self.client() as client:
            answer = await client.get("/api/recordings", params={"limit": 1000, **query})
            answer.raise_for_status()
            items: list[dict[str, Any]] = answer.json()["items"]
            return items

    async def until(
        self, done: Callable[[list[dict[str, Any]]], bool], *, timeout_s: float = 60
    ) -> list[dict[str, Any]]:
        """Return the recordings as soon as `done` holds of them."""
        items: list[dict[str, Any]] = []
        pause_s = 0.02
        try:
            async with asyncio.timeout(timeout_s):
                while not done(items := await self.recordings()):
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        except TimeoutError:
            states = [(i["id"], i["state"], i["attempts"], i["error"]) for i in items]
            raise AssertionError(f"after {timeout_s} s: {states}\n{self.log_path.read_text()[-3000:]}") from None
        return items

    async def until_archived(self, count: int, *, timeout_s: float = 60) -> list[dict[str, Any]]:
        """Return the recordings once `count` of them are archived."""
        return await self.until(
            lambda items: sum(item["state"] == "archived" for item in items) >= count, timeout_s=timeout_s
        )


@asynccontextmanager
async def worker_process(service: Service, name: str) -> AsyncIterator[Process]:
    """Run one `receiver work` with the service's settings; it is told to stop, or killed, at the end of the block."""
    process = await service.run("work", log=service.folder / f"{name}.log")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 40)
        except TimeoutError:
            process.kill()
            await process.wait()


def _ready_url(log_path: Path, after_bytes: int) -> str:
    """Return the URL that a start logged as ready, or nothing yet."""
    with log_path.open("rb") as log:
        log.seek(after_bytes)
        ready = [line for line in log.read().splitlines() if b'"service_ready"' in line and line.endswith(b"}")]
    return str(json.loads(ready[-1])["url"]) if ready else ""


async def make_meeting(sandbox: Sandbox, *recordings: dict[str, Any], **meeting: Any) -> dict[str, Any]:
    """Make a finished meeting at the platform; return its control answer (meeting, recordings, payload)."""
    return await control(sandbox, "POST", "/meetings", {"recordings": list(recordings), **meeting})


async def set_fault(sandbox: Sandbox, **fault: Any) -> None:
    """Script a fault at the platform."""
    await control(sandbox, "POST", "/faults", fault)


async def control(sandbox: Sandbox, method: str, path: str, body: Any = None) -> Any:
    """Call the platform's control surface."""
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=120, verify=PLAIN) as client:
        answer = await client.request(method, f"/_control{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None
