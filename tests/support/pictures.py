"""Make the README's pictures anew: `python -m tests.support.pictures`, with Debian's Chromium; then look at them."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.async_api import Page, async_playwright

from receiver.records import State
from receiver.tables import Database, open_database, reconciliations, upgrade, upload_parts
from tests.support.browser import CHROMIUM
from tests.support.operators import ARCHIVED, add, add_delivery, row

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "a-token-for-the-pictures"
PORT = 18_473
MEETINGS = (
    "Onboarding, day 2",
    "Incident review 2026-11-19",
    "Tokyo office weekly",
    "Interview: backend",
    "Design review: archive page",
    "Weekly platform sync",
)
HOSTS = ("Anna Berg", "Zoë Keller", "İnci Demir")
QUIET_DAYS = {3, 4, 10, 11}
WAITS = {"error_code": "source_unavailable", "error_message": "https://storage.example:443 refused the connection"}
SENT_BYTES, OF_BYTES = 504_000_000, 1_200_000_000


def two_weeks(now: datetime) -> list[dict[str, Any]]:
    """Return the rows of an archive that was busy on most days, with some that failed and three at work."""
    chance = random.Random(19)  # noqa: S311
    rows = []
    for days in range(14):
        for _ in range(chance.randint(1, 4) if days in QUIET_DAYS else chance.randint(14, 36)):
            made = now - timedelta(days=days, minutes=chance.randint(20, 400))
            size = chance.randint(60, 1300) * 1_000_000
            took = timedelta(seconds=chance.randint(20, 100))
            rows.append(ARCHIVED | {"archived_at": made + took, "size_bytes": size, "created_at": made})
    failed = ["source_not_media"] * 3 + ["source_too_large"] * 3 + ["source_denied"] * 2
    rows += [
        {
            "state": State.FAILED,
            "error_code": code,
            "error_message": code,
            "created_at": now - timedelta(days=2, hours=n),
        }
        for n, code in enumerate(failed)
    ]
    rows += [
        {"state": State.PENDING, "created_at": now, "meeting_name": "Weekly platform sync"},
        {"state": State.WAITING, "created_at": now, "meeting_name": "Customer call: Müller AG", **WAITS}
        | {"next_attempt_at": now + timedelta(minutes=5), "error_at": now},
        {"state": State.ARCHIVING, "created_at": now, "meeting_name": "Quarterly all-hands", "fence": 1}
        | {"upload_id": "u", "source_size_bytes": OF_BYTES},
    ]
    return [
        row(f"r{n:03}")
        | {
            "host_name": chance.choice(HOSTS),
            "meeting_name": chance.choice(MEETINGS),
            "hold": n == 5,
            "meeting_id": f"m{n}",
        }
        | {"duration_s": float(chance.randint(300, 5000)), "first_seen_at": values["created_at"]}
        | values
        for n, values in enumerate(rows)
    ]


async def fill(database: Database, now: datetime) -> None:
    rows = two_weeks(now)
    await add(database, *rows)
    await add_delivery(database, "d1", body=b"{}", received_at=now - timedelta(minutes=3))
    walk = {"name": "window", "since": now - timedelta(days=14), "began_at": now, "holder": "", "held_until": now}
    walk |= {"ended_at": now - timedelta(minutes=110), "tally": {}}
    part = {
        "recording_id": rows[-1]["id"],
        "fence": 1,
        "number": 1,
        "size_bytes": SENT_BYTES,
        "elapsed_s": 28.0,
        "etag": "",
        "checksum": "",
    }

    def write(tx: sa.Connection) -> None:
        tx.execute(sa.insert(reconciliations).values(walk))
        tx.execute(sa.insert(upload_parts).values(part))

    await database.write(write)


async def photograph(page: Page) -> None:
    await page.goto(f"http://127.0.0.1:{PORT}/")
    await page.fill("#token", TOKEN)
    await page.press("#token", "Enter")
    for name, path in (("overview", "/"), ("recordings", "/recordings")):
        await page.goto(f"http://127.0.0.1:{PORT}{path}")
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=DEPLOY / f"page-{name}.png")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/receiver.db"
        database = open_database(url)
        await upgrade(database)
        await fill(database, datetime.now(UTC))
        await database.close()
        settings = {"DATABASE_URL": url, "S3_BUCKET": "team", "WEBHOOK_SECRETS": "x" * 16}
        settings["OPS_TOKENS"] = f"alice:admin:{TOKEN}"
        env = {"PATH": os.environ["PATH"], **{f"RECEIVER_{name}": value for name, value in settings.items()}}
        serve = (sys.executable, "-m", "receiver", "serve", "--no-work", "--port", str(PORT))
        process = await asyncio.create_subprocess_exec(*serve, env=env, stderr=asyncio.subprocess.PIPE)
        assert process.stderr is not None
        try:
            async for line in process.stderr:
                if b"service_ready" in line:
                    break
            async with async_playwright() as driver:
                browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                size = {"width": 1280, "height": 900}
                await photograph(await browser.new_page(viewport=size, locale="en-GB", timezone_id="Europe/Berlin"))
                await browser.close()
        finally:
            process.terminate()
            await process.wait()


asyncio.run(main())
