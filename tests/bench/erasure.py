"""How many recordings are erased a second, each version asked for afterwards, and what a delivery waits beside it.

`python -m tests.bench.erasure [recordings]` (10000 by default) archives small objects in a SeaweedFS of its own, each
named by a delivery, and erases them all on a database of each kind, while a delivery comes every 20 ms. It prints
recordings a second and the 99th percentile of the deliveries' wait for their commit. Exits 1 below 30 a second, where
a delivery in a hundred waits longer than 50 ms, or where anything is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from receiver import logs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs, open_jobs
from receiver.objectstore import BucketConfig, open_bucket
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import open_database, upgrade
from tests.bench.audit import environment
from tests.support.archived import archive
from tests.support.bench import postgres_server
from tests.support.clock import NOW
from tests.support.erasing import BY, REASON, erasure_of
from tests.support.intake import accept
from tests.support.payloads import payload

if TYPE_CHECKING:
    from receiver.objectstore import Bucket
    from receiver.tables import Database

LEAST_A_SECOND, MOST_WAIT_MS = 30, 50
_EVERY_S = 0.02
_CHUNK = 500


async def deliveries(inbox: Inbox, waits_s: list[float]) -> None:
    """Take in a delivery now and again, and note how long each waited, until cancelled."""
    number = 0
    while True:
        number += 1
        began = time.monotonic()
        await accept(inbox, payload(f"new{number:07}"), now=NOW)
        waits_s.append(time.monotonic() - began)
        await asyncio.sleep(_EVERY_S)


async def measure(name: str, database: Database, bucket: Bucket, count: int) -> bool:
    """Archive, erase, print; tell whether it was good."""
    jobs = MemoryJobs(database, concurrency=1) if database.is_sqlite else open_jobs(database, concurrency=1)
    inbox = Inbox(database, jobs, keep_urls=False)
    ids = []
    for start in range(0, count, _CHUNK):
        made = await archive(bucket, database, range(start, min(count, start + _CHUNK)), 1000)
        ids += [one.id for one in made]
        for one in made:
            await accept(inbox, payload(one.id), now=NOW)
    waits_s: list[float] = []
    beside = asyncio.create_task(deliveries(inbox, waits_s))
    began = time.monotonic()
    certificate = await erasure_of(bucket, database).erase(ids, by=BY, reason=REASON)
    took_s = time.monotonic() - began
    beside.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beside
    left = [key async for key in bucket.keys("") if "/.receiver-erased/" not in key]
    rate, p99_ms = count / took_s, sorted(waits_s)[int(len(waits_s) * 0.99)] * 1000
    print(
        f"{name:>10}: {rate:6.1f} erased a second, {len(waits_s)} deliveries waited {p99_ms:.1f} ms (p99)", flush=True
    )
    return certificate.is_complete and not left and rate >= LEAST_A_SECOND and p99_ms <= MOST_WAIT_MS


async def main(count: int) -> int:
    is_good = True
    logs.configure(level=logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        async with SeaweedServer(Path(folder) / "seaweed") as store:
            urls = {"sqlite": f"sqlite:///{folder}/receiver.db", "postgresql": server.get_uri()}
            for name, url in urls.items():
                os.environ |= {key: value for key, value in environment(store, url).items() if key.startswith("AWS_")}
                config = BucketConfig(bucket=f"erasure-{name}", endpoint_url=store.endpoint_url, region=store.region)
                database = open_database(url)
                await upgrade(database)
                async with open_bucket(config) as bucket:
                    await bucket.ensure_bucket()
                    is_good &= await measure(name, database, bucket, count)
                await database.close()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
