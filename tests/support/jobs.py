"""An engine that runs beside a test, and workers that died long ago."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from receiver.jobs.postgres import HEARTBEAT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

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


async def age_heartbeats(database_url: str, *, of: Collection[str] | None = None) -> int:
    """Let PostgreSQL believe that workers which were killed have been silent for as long as a heartbeat may be old.

    They are all workers, or those that hold the jobs of these recordings; return how many jobs they held.
    `test_workers` waits that time out once. SQLite has one worker, which takes over all that it finds at its start.
    """
    if not database_url.startswith("postgresql"):
        return 0
    held = (
        "SELECT queue_manager_id FROM pgqueuer WHERE status = 'picked' AND ($2::text[] IS NULL OR dedupe_key = ANY($2))"
    )
    connection = await asyncpg.connect(database_url)
    try:
        aged = await connection.fetch(
            f"UPDATE pgqueuer SET heartbeat = now() - $1::interval WHERE queue_manager_id IN ({held}) RETURNING id",  # noqa: S608
            HEARTBEAT_TIMEOUT,
            None if of is None else list(of),
        )
        return len(aged)
    finally:
        await connection.close()


async def overdue_s(connection: asyncpg.Connection) -> float:
    """Return for how long the engine has left a silent worker's job with it, beyond what a heartbeat may be old."""
    silent = "SELECT max(now() - heartbeat - $1::interval) FROM pgqueuer WHERE status = 'picked'"
    longest = await connection.fetchval(silent, HEARTBEAT_TIMEOUT)
    return longest.total_seconds() if longest else 0.0
