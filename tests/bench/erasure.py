"""How many recordings `receiver erase` erases a second, and what a webhook waits beside it.

`python -m tests.bench.erasure [recordings]` (10000 by default), on a database of each kind: archives small objects of
one host in a SeaweedFS of its own, each named by a delivery, and runs `receiver serve` and, as operators do, `receiver
erase --person` beside it, which asks for each version afterwards, while five deliveries a second come. Prints
recordings a second, start and end of the command included, the CPU time of a recording, and the time of a delivery
from when it was due to its 202. Exits 1 below 30 a second, where one delivery in a hundred takes more than 50 ms, or
where anything is left.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa

from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs, open_jobs
from receiver.objectstore import Bucket, BucketConfig, open_bucket
from receiver.records import State
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import Database, open_database, recordings
from tests.support.archived import archive
from tests.support.bench import postgres_server, prepare, waits_s
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload
from tests.support.service import Service

LEAST_A_SECOND, MOST_P99_S = 30, 0.05
PERSON = 424_242
LOOKED_AFTER_S = 5.0
"""By then a service that was started has looked for erasures to be done again; else it does half of this one."""
_CHUNK = 500


async def fill(database: Database, bucket: Bucket, count: int) -> None:
    """Archive so many of one host's recordings, each named by a delivery."""
    jobs = MemoryJobs(database, concurrency=1) if database.is_sqlite else open_jobs(database, concurrency=1)
    inbox = Inbox(database, jobs, keep_urls=False)
    for start in range(0, count, _CHUNK):
        made = await archive(bucket, database, range(start, min(count, start + _CHUNK)), 1000)
        for one in made:
            await accept(inbox, payload(one.id), now=NOW)
    await database.write(lambda tx: tx.execute(sa.update(recordings).values(host_id=PERSON)))


async def erase(service: Service) -> tuple[float, float]:
    """Run the command in a process; return how long it took, and its CPU time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "erase", "--person", str(PERSON), "--reason", "a bench", "--yes", "--json"),
        env=service.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    assert process.returncode == 0, stdout[-2000:]
    assert json.loads(stdout)["complete"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu_s


async def measure(service: Service, count: int) -> bool:
    """Archive, erase, print; tell whether it was good."""
    await prepare(service)
    database = open_database(service.database_url)
    region, url = service.seaweed.region, service.seaweed.endpoint_url
    async with open_bucket(BucketConfig(bucket=service.bucket, endpoint_url=url, region=region)) as bucket:
        await fill(database, bucket, count)
        async with service:
            await asyncio.sleep(LOOKED_AFTER_S)
            ended = asyncio.Event()
            waiting = asyncio.create_task(waits_s(service, ended))
            took_s, cpu_s = await erase(service)
            ended.set()
            waited = await waiting
        left = [key async for key in bucket.keys("") if "/.receiver-erased" not in key]
    query = sa.select(sa.func.count()).where(recordings.c.state == State.ERASED)
    erased = await database.read(lambda tx: tx.execute(query).scalar_one())
    await database.close()
    rate, p50, p99 = count / took_s, waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
    print(
        f"{service.bucket}: {rate:.1f} erased a second, {cpu_s / count * 1000:.1f} ms of CPU each; "
        f"{len(waited)} deliveries, p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms",
        flush=True,
    )
    return erased == count and not left and rate >= LEAST_A_SECOND and p99 <= MOST_P99_S


async def main(count: int) -> int:
    good = True
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seaweed = await stack.enter_async_context(SeaweedServer(folder / "s3"))
        for name in ("sqlite", "postgresql"):
            (folder / name).mkdir()
            service = Service(folder / name, f"erasure-{name}", seaweed)
            if name == "postgresql":
                service.settings["DATABASE_URL"] = stack.enter_context(postgres_server()).get_uri()
            good &= await measure(service, count)
    return int(not good)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
