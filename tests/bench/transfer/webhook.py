"""How long a delivery waits for its answer while the same process copies eight large files."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from tests.bench.transfer.bounds import Bound
from tests.support.payloads import payload

if TYPE_CHECKING:
    from tests.bench.transfer.loads import Load
    from tests.bench.transfer.receivers import Receiver
    from tests.support.service import Service

POSTS_S = 10
MOST_P99_MS = 50
_START_S = 30


@dataclass(frozen=True, slots=True)
class Webhook:
    """`load` must outlast `seconds`, and has as many files as the service copies at once."""

    load: Load
    receiver: Receiver
    seconds: int

    async def run(self, rounds: int) -> list[Bound]:
        """Measure, print and return what was asked."""
        found = [await self._waits_ms() for _ in range(rounds)]
        p50, p99 = (statistics.median(_percentile(waits, share) for waits in found) for share in (0.5, 0.99))
        print(f"  {POSTS_S} deliveries a second for {self.seconds} s: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        return [Bound("p99 of a delivery during 8 transfers, ms", p99, MOST_P99_MS)]

    async def _waits_ms(self) -> list[float]:
        async with self.receiver.running() as (service, _):
            await self.receiver.deliver(service, self.load)
            await self._all_copying(service)
            waits = await _post(service, self.seconds)
            await self._all_copying(service)
        return waits

    async def _all_copying(self, service: Service) -> None:
        """Wait until every file of the load is being copied; one that was copied already is an error."""
        async with asyncio.timeout(_START_S):
            while len(await service.recordings(state="archiving")) < self.load.files:
                await asyncio.sleep(0.1)
        if b'"recording_archived"' in service.log_path.read_bytes():
            raise RuntimeError("the files were copied before the deliveries were answered; make them larger")


async def _post(service: Service, seconds: int) -> list[float]:
    """Post over one connection; return the milliseconds from when each was due to its answer.

    Where the service falls behind, this ends after twice the time; what is unanswered then has waited at least so long.
    """
    waits = []
    run = secrets.token_hex(4)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1), headers=headers) as client:
        began = time.monotonic()
        for number in range(seconds * POSTS_S):
            due = began + number / POSTS_S
            if time.monotonic() > began + 2 * seconds:
                waits.append((time.monotonic() - due) * 1000)
                continue
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            body = payload(f"posted-{run}-{number}", meeting_id=f"posted-{run}-{number}")
            async with client.post(service.webhook_url, data=body) as answer:
                answer.raise_for_status()
                await answer.read()
            waits.append((time.monotonic() - due) * 1000)
    return waits


def _percentile(waits: list[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))]
