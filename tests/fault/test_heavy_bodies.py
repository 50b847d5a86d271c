"""A megabyte of anything, from somebody who has the secret: others are served meanwhile, and what is kept is small."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from receiver.catalogue import Catalogue
from tests.integration.test_webhook import PATH, serving
from tests.support.payloads import payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from receiver.tables import Database

MOST_BYTES = 1_100_000
LONGEST_STALL_S = 0.5
"""The build of 2026-11-26 stood still for 7 to 14 s; 0.06 s were seen when this was written."""


def records(*found: object) -> bytes:
    return json.dumps({"meeting": {"_id": "m"}, "callRecords": found}, separators=(",", ":")).encode()


HEAVY = {
    "zeros": records(*[0] * 500_000),
    "an array of zeros": b"[" + b"0," * 500_000 + b"0]",
    "empty objects": records(*[{}] * 340_000),
    "records": records(*({"_id": f"r{n}"} for n in range(60_000))),
    "participants": records(*({"_id": f"r{n}", "participants_ids": list(range(5000))} for n in range(40))),
    "meetings": json.dumps([{"meeting": {"_id": f"m{n}"}, "callRecords": []} for n in range(20_000)]).encode(),
    "not JSON": b'{"meeting": "' + b"\xe9" * 1_000_000,
}


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """Collect what the process did between two turns of a task that wants its own each 5 ms.

    In time of the processor, or the test would be of what else the machine does.
    """
    clock = time.process_time
    seen = [0.0]

    async def tick() -> None:
        while True:
            before = clock()
            await asyncio.sleep(0.005)
            seen.append(clock() - before)

    ticking = asyncio.create_task(tick())
    try:
        yield seen
    finally:
        ticking.cancel()


async def _others(client: httpx.AsyncClient, heavy: asyncio.Task[httpx.Response]) -> int:
    """Post small deliveries one after the other while the heavy one is under way; return how many were taken."""
    taken = 0
    while not heavy.done():
        answer = await client.post(PATH, content=payload(f"small{taken}"), timeout=60)
        assert answer.status_code == 202
        taken += 1
    return taken


@pytest.mark.parametrize("kind", HEAVY)
async def test_others_are_served_beside_it_and_listings_stay_small(database: Database, kind: str) -> None:
    body = HEAVY[kind]
    assert len(body) < MOST_BYTES
    async with serving(database, max_body_bytes=MOST_BYTES) as client, stalls() as seen:
        heavy = asyncio.create_task(client.post(PATH, content=body, timeout=250))
        assert await _others(client, heavy) > 0
        answer = await heavy
        again = await client.post(PATH, content=body, timeout=250)
    assert max(seen) < LONGEST_STALL_S
    assert answer.status_code in (202, 400, 422)
    assert again.json()["delivery_id"] == answer.json()["delivery_id"]
    assert len(answer.content) < MOST_BYTES
    page = await Catalogue(database).deliveries(limit=1000)
    assert all(len(item.recording_ids) <= 20 and len(item.rejected) <= 22 for item in page.items)
