"""What an audit costs beside `rclone check --download` over the same objects: CPU seconds a GiB, and memory.

`python -m tests.bench.audit [objects] [MiB each] [rows]` (32, 64 and 100000 by default) archives the objects in a
SeaweedFS of its own, reads them with `receiver audit`, and compares them with rclone, which reads each twice (from
the bucket and from a folder with the same files) as it has no digests of its own. What an audit of nothing costs, the
start, is measured and taken off. Then it makes `rows` rows of objects that are not there, and prints the audit's
resident memory at a tenth of them and at the end. Exits 1 where the CPU is more than 0.8 of rclone's, or memory grew by
15 MB or more.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy as sa

from receiver.objectstore import BucketConfig, open_bucket
from receiver.sandbox.seaweed import SeaweedServer
from receiver.tables import open_database, recordings, upgrade
from tests.support.archived import archive, body_of, row_of

if TYPE_CHECKING:
    from receiver.tables import Database

MIB, GIB = 1024**2, 1024**3
MOST_SHARE, MOST_GROWTH_MB = 0.8, 15


def environment(server: SeaweedServer, database_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RECEIVER_DATABASE_URL": database_url,
        "RECEIVER_S3_BUCKET": "bench",
        "RECEIVER_S3_ENDPOINT_URL": server.endpoint_url,
        "RECEIVER_S3_REGION": server.region,
        "RECEIVER_AUDIT_MB_S": "100000",
    }


def cpu_s(command: list[str], env: dict[str, str]) -> tuple[int, bytes, float]:
    """Run a command; return its exit code, its stdout and the CPU seconds that it took."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=sys.stderr)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return process.returncode, out.read(), usage.ru_utime + usage.ru_stime


def rclone(server: SeaweedServer, folder: Path) -> tuple[list[str], dict[str, str]]:
    env = {
        "PATH": os.environ["PATH"],
        "RCLONE_CONFIG_T_TYPE": "s3",
        "RCLONE_CONFIG_T_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_T_ACCESS_KEY_ID": server.access_key,
        "RCLONE_CONFIG_T_SECRET_ACCESS_KEY": server.secret_key,
        "RCLONE_CONFIG_T_ENDPOINT": server.endpoint_url,
    }
    command = [str(Path(sys.executable).with_name("rclone")), "check", "--download", "--config", "/dev/null"]
    return [*command, "--quiet", "--include", "*.mp4", str(folder), "T:bench"], env


async def add_rows(database: Database, numbers: range) -> None:
    """Add rows of objects that are missing, a thousand at a time."""
    for start in range(numbers.start, numbers.stop, 1000):
        rows = [
            row_of(number, "bench", b"") | {"search_text": ""}
            for number in range(start, min(start + 1000, numbers.stop))
        ]
        await database.write(lambda tx, rows=rows: tx.execute(sa.insert(recordings), rows))


async def memory_mb(env: dict[str, str], database: Database, rows: int) -> tuple[float, float]:
    """Audit all rows as a process; return its resident memory at a tenth and near the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", "audit", "--json"),
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    seen, watched = [], psutil.Process(process.pid)
    done = sa.select(sa.func.count()).where(recordings.c.fixity == "missing")
    for share in (0.1, 0.95):
        while await database.read(lambda tx: tx.execute(done).scalar_one()) < rows * share:
            await asyncio.sleep(1)
        seen.append(watched.memory_info().rss / 1e6)
    await process.wait()
    return seen[0], seen[1]


async def main(objects: int, mib: int, rows: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with SeaweedServer(folder / "s3") as server:
            url = f"sqlite:///{folder}/bench.db"
            env = environment(server, url)
            os.environ |= {key: value for key, value in env.items() if key.startswith("AWS_")}
            database = open_database(url)
            await upgrade(database)
            config = BucketConfig(bucket="bench", endpoint_url=server.endpoint_url, region=server.region)
            async with open_bucket(config) as bucket:
                await bucket.ensure_bucket()
                for number in range(objects):
                    (recording,) = await archive(bucket, database, range(number, number + 1), mib * MIB)
                    assert recording.archive is not None
                    file = folder / "files" / recording.archive.key
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(body_of(number, mib * MIB))
            gib = objects * mib * MIB / GIB
            command = [sys.executable, "-m", "receiver", "audit", "--json"]
            _, _, start_s = await asyncio.to_thread(cpu_s, [*command, "--older-than", "36500d"], env)
            figures = {}
            for name_, (asked, variables) in {
                "receiver audit": (command, env),
                "rclone check --download": rclone(server, folder / "files"),
            }.items():
                code, out, took_s = await asyncio.to_thread(cpu_s, asked, variables)
                assert code == 0, (name_, code, out)
                took_s -= start_s if asked is command else 0
                figures[name_] = took_s / gib
                print(f"{name_}: {took_s / gib:.2f} CPU s a GiB over {gib:g} GiB")
            print(f"beside that, the start of an audit: {start_s:.2f} CPU s")
            share = figures["receiver audit"] / figures["rclone check --download"]
            print(f"share of rclone: {share:.2f} (at most {MOST_SHARE})")
            growth = 0.0
            if rows:
                await add_rows(database, range(objects, objects + rows))
                early, late = await memory_mb(env, database, rows)
                growth = late - early
                print(f"memory over {rows:,} rows: {early:.0f} MB at a tenth, {late:.0f} MB at the end")
            await database.close()
    return int(share > MOST_SHARE or growth >= MOST_GROWTH_MB)


if __name__ == "__main__":
    given = [*map(int, sys.argv[1:]), *(32, 64, 100_000)[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(*given)))
