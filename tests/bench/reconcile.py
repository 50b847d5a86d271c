"""What `receiver reconcile` over three years costs: memory, speed against the API's rate limit, and a kill.

`python -m tests.bench.reconcile [meetings] [requests a second]` (50000 and 100 by default) runs the command as a
process against an API that answers 429 with `Retry-After` above its rate (a second's worth may come at once); every
second meeting has a recording that no webhook brought. In the middle the process is killed with SIGKILL and run again.
It prints resident memory at a tenth of the walk and at its end, requests and meetings a second, and how many requests
the kill cost. Exits 1 where memory grew by 15 MB or more, the speed was under 80 % of the limit, a meeting was missed
or the kill cost a fifth.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import web

from receiver.tables import open_database, upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MEETINGS, RATE = 50_000, 100
MOST_GROWTH_MB, LEAST_SHARE, MOST_COST = 15, 0.8, 1.2
TOKEN = "bench-token"
MADE_AT = "2026-01-02T03:04:05Z"


@dataclass
class LimitedApi:
    """Lists `meetings` meetings, answering at most `rate` requests a second."""

    meetings: int
    rate: int
    url: str = ""
    answered: int = 0
    first_at: float | None = None
    listed: Counter[str] = field(default_factory=Counter)
    _tokens: float = 0
    _at: float = field(default_factory=time.monotonic)

    async def handle(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        self.first_at = self.first_at or now
        self._tokens = min(self.rate, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return web.json_response({"errors": ["slow down"]}, status=429, headers={"Retry-After": "1"})
        self._tokens -= 1
        self.answered += 1
        if request.path == "/meetings":
            return self._page(int(request.query["offset"]), int(request.query["limit"]))
        meeting_id = request.path.rpartition("/")[2]
        self.listed[meeting_id] += 1
        return web.json_response([_recording(meeting_id)] if int(meeting_id) % 2 else [])

    def _page(self, offset: int, limit: int) -> web.Response:
        numbers = range(offset, min(offset + limit, self.meetings))
        return web.json_response([{"_id": f"{n:024}", "name": "Weekly", "created_at": MADE_AT} for n in numbers])


def _recording(meeting_id: str) -> dict[str, Any]:
    url = f"https://x.s3.amazonaws.com/videos/{meeting_id}?Expires=1999999999&Signature=s"
    return {"_id": f"r{meeting_id}", "room_id": meeting_id, "created_at": MADE_AT, "download_url": url}


@asynccontextmanager
async def _serving(api: LimitedApi) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield
    finally:
        await runner.cleanup()


@dataclass
class Run:
    """One process of the command: resident megabytes by meetings listed, seconds since it first asked, its end."""

    rss_mb: list[tuple[int, float]] = field(default_factory=list)
    wall_s: float = 0
    code: int | None = None
    report: dict[str, Any] = field(default_factory=dict)


async def _run(api: LimitedApi, folder: Path, *, kill_at: int | None = None) -> Run:
    run, api.first_at = Run(), None
    environ = {
        "PATH": "/usr/bin:/bin",
        "RECEIVER_DATABASE_URL": f"sqlite:///{folder}/receiver.db",
        "RECEIVER_API_URL": api.url,
        "RECEIVER_API_TOKEN": TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "reconcile", "--since", "3y", "--json"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # every pause is a line of the log
    )
    ending = asyncio.create_task(process.communicate())
    while not ending.done():
        await asyncio.wait({ending}, timeout=0.5)
        if process.returncode is None and (rss := psutil.Process(process.pid).memory_info().rss):
            run.rss_mb.append((len(api.listed), rss / 1e6))
            if kill_at is not None and len(api.listed) >= kill_at:
                process.send_signal(signal.SIGKILL)
    stdout, _ = ending.result()
    run.wall_s, run.code = time.monotonic() - (api.first_at or 0), process.returncode
    run.report = json.loads(stdout) if stdout else {}
    return run


async def _measure(folder: Path, meetings: int, rate: int) -> bool:
    database = open_database(f"sqlite:///{folder}/receiver.db")
    await upgrade(database)
    await database.close()
    api = LimitedApi(meetings, rate)
    async with _serving(api):
        killed = await _run(api, folder, kill_at=meetings // 2)
        done, began = api.answered, len(api.listed)
        whole = await _run(api, folder)
    grown_mb = _growth_mb(killed.rss_mb, meetings // 10)
    speed = done / killed.wall_s
    cost = sum(api.listed.values()) / meetings
    print(f"{datetime.now(UTC):%Y-%m-%d} {meetings} meetings, limit {rate} requests/s")
    print(f"until the kill: {began} meetings, {done} requests in {killed.wall_s:.1f} s")
    print(f"{speed:.0f} requests/s, {speed / rate:.0%} of the limit; {began / killed.wall_s:.0f} meetings/s")
    print(f"resident: {killed.rss_mb[-1][1]:.1f} MB at the kill, grown {grown_mb:.1f} MB since a tenth of all meetings")
    print(f"after it: {whole.wall_s:.1f} s, resident {whole.rss_mb[-1][1]:.1f} MB at the end, report {whole.report}")
    print(f"listings asked for: {cost:.3f} a meeting; all requests {api.answered}")
    return (
        grown_mb < MOST_GROWTH_MB
        and _growth_mb(whole.rss_mb, meetings * 6 // 10) < MOST_GROWTH_MB
        and speed / rate > LEAST_SHARE
        and cost < MOST_COST
        and len(api.listed) == meetings
        and (whole.code, whole.report["meetings"], whole.report["found"]) == (0, meetings, meetings // 2)
        and whole.report["unreadable"] == 0
    )


def _growth_mb(rss_mb: list[tuple[int, float]], after: int) -> float:
    warm = [size for listed, size in rss_mb if listed >= after]
    return max(warm) - warm[0]


def main() -> int:
    """Measure and print."""
    given = [int(text) for text in sys.argv[1:]]
    meetings, rate = given + [MEETINGS, RATE][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        return int(not asyncio.run(_measure(Path(folder), meetings, rate)))


if __name__ == "__main__":
    sys.exit(main())
