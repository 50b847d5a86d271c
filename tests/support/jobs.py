"""An engine that runs beside a test, and workers that died long ago."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from receiver.jobs.postgres import HEARTBEAT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from receiver.jobs import Jobs, Schedule
    from receiver.records import RecordingId


@asynccontextmanager
async def running(
    jobs: Jobs,
    handler: Callable[[RecordingId], Awaitable[None]],
    *,
    grace_s: float = 5,
    schedules: Sequence[Schedule] = (),
) -> AsyncIterator[None]:
    """Run the engine beside the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(jobs.run(handler, stop=stop, grace_s=grace_s, schedules=schedules))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def age_heartbeats(database_url: str) -> None:
    """Let PostgreSQL believe that workers which were killed have been silent for as long as a heartbeat may be old.

    `test_workers` waits that time out. SQLite needs none: its one worker takes over all that it finds at its start.
    """
    if database_url.startswith("postgresql"):
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute("UPDATE pgqueuer SET heartbeat = heartbeat - $1::interval", HEARTBEAT_TIMEOUT)
        finally:
            await connection.close()
