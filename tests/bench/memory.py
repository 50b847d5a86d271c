"""Peak memory of the whole service over one recording of 100 MB and one of 2 GB.

`python -m tests.bench.memory` prints, for each size, the receiver's peak RSS, its CPU seconds and the wall time, with
the imports and the idle service as the floor. Exits 1 over 150 MB, or when the sizes differ by 15 MB or more.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

import psutil

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.bench import make_bucket
from tests.support.service import Service, make_meeting

SIZES_BYTES = {"idle": 0, "100 MB": 100_000_000, "2 GB": 2_000_000_000}
LIMIT_MB, GROWTH_LIMIT_MB = 150, 15


async def _measure(service: Service, sandbox: Sandbox, size_bytes: int) -> tuple[float, float, float]:
    """Return peak RSS in MB, CPU seconds and wall seconds of a fresh process that archives one file."""
    async with service:
        assert service.process is not None
        process = psutil.Process(service.process.pid)
        before = process.cpu_times()
        began = time.monotonic()
        if size_bytes:
            made = await make_meeting(sandbox, {"kind": "generated", "size_bytes": size_bytes})
            began = time.monotonic()
            await service.post(json.dumps(made["payload"]).encode())
            wanted = made["recordings"][0]["_id"]
            await service.until(
                lambda items: any(i["id"] == wanted and i["state"] == "archived" for i in items), timeout_s=600
            )
        wall_s = time.monotonic() - began
        after = process.cpu_times()
        cpu_s = after.user + after.system - before.user - before.system
        return _peak_rss_mb(process.pid), cpu_s, wall_s


def _peak_rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (peak_kib,) = [line.split()[1] for line in status if line.startswith("VmHWM")]
    return int(peak_kib) * 1024 / 1e6


async def main() -> int:
    """Measure each size in a process of its own and print a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        async with SeaweedServer(Path(folder, "s3")) as seaweed, Sandbox(SandboxConfig()) as sandbox:
            bucket = f"bench-{secrets.token_hex(4)}"
            service = Service(folder=Path(folder), bucket=bucket, seaweed=seaweed, sandbox=sandbox)
            await make_bucket(service)
            peaks = {}
            for name, size_bytes in SIZES_BYTES.items():
                peaks[name], cpu_s, wall_s = await _measure(service, sandbox, size_bytes)
                gib = size_bytes / 2**30
                rate = f", {cpu_s / gib:.2f} CPU s/GiB, {size_bytes / wall_s / 1e6:.0f} MB/s" if gib else ""
                print(f"{name:>7}: peak RSS {peaks[name]:.1f} MB, CPU {cpu_s:.2f} s, wall {wall_s:.2f} s{rate}")
    growth = peaks["2 GB"] - peaks["100 MB"]
    print(f"growth from 100 MB to 2 GB: {growth:.1f} MB (limit {GROWTH_LIMIT_MB}); limit of the peak {LIMIT_MB} MB")
    return int(peaks["2 GB"] > LIMIT_MB or growth >= GROWTH_LIMIT_MB)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
