"""What a webhook waits while objects are read again as fast as they come.

`python -m tests.bench.audit_beside [objects] [MiB each] [seconds]` (32, 64 and 60 by default) archives the objects in a
SeaweedFS of its own and runs `receiver serve` on SQLite. Five deliveries a second come, three times: while nothing
else happens, while the service's own schedule reads with no bound of its rate, and beside `receiver audit`, over and
over. It prints how many readings ended meanwhile and the time of a delivery from when it was due to its 202. Exits 1
where nothing was read, or where one in a hundred takes more than 50 ms beside a reading.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa

from receiver.objectstore import BucketConfig, open_bucket
from receiver.records import Action
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import Database, audit_log, open_database, unsealed_audit_log
from tests.support.archived import archive
from tests.support.bench import prepare, waits_s
from tests.support.service import Service

MOST_P99_S = 0.05
MIB = 1024**2


async def readings(database: Database) -> int:
    """Return how many readings are on record."""
    logs = (audit_log, unsealed_audit_log)
    queries = [sa.select(sa.func.count()).where(log.c.action == Action.VERIFIED) for log in logs]
    return await database.read(lambda tx: sum(tx.execute(query).scalar_one() for query in queries))


async def audits(service: Service) -> None:
    """Run the command over and over until cancelled."""
    while True:
        code, _, stderr = await service.ran("audit", "--json")
        assert code == 0, stderr


async def main(objects: int, mib: int, seconds: float) -> int:
    """Run it."""
    good = True
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seaweed = await stack.enter_async_context(SeaweedServer(folder / "s3"))
        service = Service(folder, "bench", seaweed)
        await prepare(service)
        database = open_database(service.database_url)
        stack.push_async_callback(database.close)
        config = BucketConfig(bucket="bench", endpoint_url=seaweed.endpoint_url, region=seaweed.region)
        async with open_bucket(config) as bucket:
            for number in range(objects):
                await archive(bucket, database, range(number, number + 1), mib * MIB)
        unbound = {"AUDIT_MB_S": "100000"}
        for what, settings in {
            "nothing beside": {"AUDIT_EVERY": "0s"},
            "the schedule": {"AUDIT_EVERY": "10s", **unbound},
            "receiver audit": {"AUDIT_EVERY": "0s", **unbound},
        }.items():
            service.settings |= settings
            async with service:
                await service.ran("--help")  # the first command of all starts what the others are forked from
                before = await readings(database)
                running = asyncio.create_task(audits(service)) if what == "receiver audit" else None
                ended = asyncio.Event()
                asyncio.get_running_loop().call_later(seconds, ended.set)
                waited = await waits_s(service, ended)
                read = await readings(database) - before
                if running is not None:
                    running.cancel()
                    await asyncio.wait({running})
            p50, p99 = waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
            print(f"{what}: {read} readings, deliveries p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", flush=True)
            good &= what == "nothing beside" or (read > 0 and p99 <= MOST_P99_S)
    return int(not good)


if __name__ == "__main__":
    given = [*map(int, sys.argv[1:]), *(32, 64, 60)[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(*given)))
