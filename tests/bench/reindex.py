"""What `receiver reindex` takes for many manifests, and whether an index that was killed twice on the way is equal.

`python -m tests.bench.reindex [manifests]` (20000 by default) archives small objects in a SeaweedFS of its own, loses
the index, rebuilds it as a process that is killed with SIGKILL at a third and at two thirds, then once whole, timed,
on a database of each kind. It prints seconds and resident memory. Exits 1 where a rebuilt index is not equal, `--check`
finds anything, or the whole took more than 3 minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import sqlalchemy as sa

from receiver.objectstore import BucketConfig, open_bucket
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import open_database, participants, recordings, upgrade
from tests.bench.audit import environment
from tests.support.archived import archive
from tests.support.bench import postgres_server

if TYPE_CHECKING:
    from receiver.tables import Database

MOST_S = 180
_NOT_REBUILT = ("attempts", "fence", "first_seen_via")


async def content(database: Database) -> list[Any]:
    """Return all that a manifest can tell of the rows."""
    columns = [column for column in recordings.c if column.name not in _NOT_REBUILT]
    rows = await database.read(lambda tx: tx.execute(sa.select(*columns).order_by(recordings.c.id)).all())
    people = sa.select(participants).order_by(participants.c.recording_id, participants.c.position)
    return [*map(tuple, rows), *map(tuple, await database.read(lambda tx: tx.execute(people).all()))]


async def run(env: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any], float, float]:
    """Run `receiver reindex`; return its exit code, its JSON, seconds, and its largest resident memory in MB."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "reindex", "--json", *arguments), env=env, stdout=asyncio.subprocess.PIPE
    )
    most, reading = 0.0, asyncio.create_task(process.communicate())
    while not reading.done():
        await asyncio.wait({reading}, timeout=0.5)
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, psutil.Process(process.pid).memory_info().rss / 1e6)
    stdout, _ = await reading
    return process.returncode or 0, json.loads(stdout), time.monotonic() - began, most


async def killed_at(env: dict[str, str], database: Database, count: int) -> None:
    """Run it and kill it once so many rows are there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "reindex"), env=env, stdout=asyncio.subprocess.DEVNULL
    )
    many = sa.select(sa.func.count()).select_from(recordings)
    while await database.read(lambda tx: tx.execute(many).scalar_one()) < count:
        await asyncio.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def rebuilt(server: SeaweedServer, urls: list[str], original: list[Any]) -> bool:
    """Rebuild on the first URL with two kills, and on the second one whole; tell whether all was as it should be."""
    good = True
    count = len({row[0] for row in original})
    for number, url in enumerate(urls):
        env, database = environment(server, url), open_database(url)
        await upgrade(database)
        if number == 0:
            await killed_at(env, database, count // 3)
            await killed_at(env, database, 2 * count // 3)
        code, tally, took_s, most_mb = await run(env)
        checked, compared, check_s, _ = await run(env, "--check")
        is_equal = await content(database) == original
        good &= is_equal and code == checked == 0 and took_s <= MOST_S
        kind = "killed twice" if number == 0 else "whole"
        print(f"{database.engine.dialect.name}, {kind}: {took_s:.1f} s, {most_mb:.0f} MB, equal {is_equal}, {tally}")
        print(f"  --check: {check_s:.1f} s, {compared}")
        await database.close()
    return good


async def main(manifests: int) -> int:
    with tempfile.TemporaryDirectory() as name, postgres_server() as postgres:
        folder = Path(name)
        async with SeaweedServer(folder / "s3") as server:
            url = f"sqlite:///{folder}/original.db"
            os.environ |= {key: value for key, value in environment(server, url).items() if key.startswith("AWS_")}
            database = open_database(url)
            await upgrade(database)
            config = BucketConfig(bucket="bench", endpoint_url=server.endpoint_url, region=server.region)
            async with open_bucket(config) as bucket:
                await bucket.ensure_bucket()
                for start in range(0, manifests, 500):
                    await archive(bucket, database, range(start, min(start + 500, manifests)), 100)
            original = await content(database)
            await database.close()
            urls = {"sqlite": [f"sqlite:///{folder}/{n}.db" for n in (1, 2)], "postgresql": []}
            for n in (1, 2):
                postgres.psql(f"CREATE DATABASE bench{n}")
                urls["postgresql"].append(postgres.get_uri(f"bench{n}"))
            results = [await rebuilt(server, each, original) for each in urls.values()]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)))
