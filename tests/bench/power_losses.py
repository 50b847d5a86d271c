"""A host that loses power every few seconds for an hour, while webhooks go on coming.

`python -m tests.bench.power_losses [minutes] [sqlite|postgresql]` (60, sqlite) runs `receiver serve` on a SeaweedFS of
its own and kills it, SIGKILL, two to five seconds after each start. A webhook a second is posted until it is answered
202, each with a recording of 300 KB, every twentieth with one of 20 MB in parts. Afterwards nobody helps: what was
running at many of the losses is tried again by itself. It prints the losses and the time until all was archived, and
exits 1 where anything is lost, doubled or not proven, or a loss has used up an attempt.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from receiver.sandbox import Sandbox, SandboxConfig
from receiver.sandbox.seaweed import SeaweedServer
from tests.support.bench import postgres_server, prepare
from tests.support.invariants import check_invariants
from tests.support.jobs import age_heartbeats
from tests.support.service import Service, make_meeting

SMALL_BYTES, LARGE_BYTES, LARGE_EVERY = 300_000, 20_000_000, 20
LIVES_S = (2.0, 5.0)
POST_EVERY_S = 1.0
MOST_AFTER_S = 1200.0
"""What was there at several losses is tried again after five minutes, and then rarer."""


async def _post(service: Service, sandbox: Sandbox, sources: dict[str, str], ends_s: float) -> None:
    """Announce one recording after the other, each as often as it takes until the service has it."""
    while time.monotonic() < ends_s:
        is_large = len(sources) % LARGE_EVERY == LARGE_EVERY - 1
        made = await make_meeting(
            sandbox, {"kind": "generated", "size_bytes": LARGE_BYTES if is_large else SMALL_BYTES}
        )
        (record,) = made["recordings"]
        body = json.dumps(made["payload"]).encode()
        while not await _has(service, body):
            await asyncio.sleep(0.1)
        sources[record["_id"]] = record["sha256"]
        await asyncio.sleep(POST_EVERY_S)


async def _has(service: Service, body: bytes) -> bool:
    try:
        return (await service.post(body)).is_success  # 200 where it was stored, and only the answer was lost
    except httpx.TransportError:  # it has no power
        return False


async def _lose_power(service: Service, ends_s: float) -> int:
    losses, chance = 0, random.Random(7)  # noqa: S311
    while time.monotonic() < ends_s:
        await asyncio.sleep(chance.uniform(*LIVES_S))
        await service.kill()
        losses += 1
        await age_heartbeats(service.database_url)
        await service.start()
    return losses


async def _until_archived(service: Service, many: int) -> None:
    async with asyncio.timeout(MOST_AFTER_S), service.client() as client:
        while (await client.get("/api/stats")).raise_for_status().json()["recordings"].get("archived", 0) < many:
            await asyncio.sleep(1)


async def _spent(service: Service) -> list[str]:
    """Return the recordings of which a loss has used up an attempt."""
    code, stdout, stderr = await service.ran("export", "--format", "ndjson")
    assert code == 0, stderr
    return [one["id"] for one in map(json.loads, stdout.splitlines()) if one["attempts"] != 1]


async def main(minutes: float, kind: str) -> int:
    """Run it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        seaweed = await stack.enter_async_context(SeaweedServer(folder / "s3"))
        sandbox = await stack.enter_async_context(Sandbox(SandboxConfig()))
        service = Service(folder, f"power-{secrets.token_hex(4)}", seaweed, sandbox)
        if kind == "postgresql":
            service.settings["DATABASE_URL"] = stack.enter_context(postgres_server()).get_uri()
        await prepare(service)
        await stack.enter_async_context(service)
        sources: dict[str, str] = {}
        ends_s = time.monotonic() + minutes * 60
        losses, _ = await asyncio.gather(_lose_power(service, ends_s), _post(service, sandbox, sources, ends_s))
        began_s = time.monotonic()
        await _until_archived(service, len(sources))
        took_s = time.monotonic() - began_s
        spent = await _spent(service)
        await check_invariants(service, archived=sources)
        print(f"{kind}: {losses} losses, {len(sources)} recordings archived and proven, the last {took_s:.0f} s after")
        print(f"{len(spent)} attempts used up by a loss {spent[:3]}")
        return int(bool(spent))


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("60", "sqlite")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(float(arguments[0]), arguments[1])))
