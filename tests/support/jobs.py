"""An engine that runs beside a test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

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
