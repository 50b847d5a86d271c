"""Running a coroutine that owns processes: a signal cancels it once, and its clean-up is then left in peace."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_signal(main: Coroutine[Any, Any, int]) -> int:
    """Run `main` and return its exit code, or 128 + the signal that cancelled it."""
    return asyncio.run(_guarded(main))


async def _guarded(main: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(main)
    received: list[int] = []

    def cancel(number: int) -> None:
        if not received:
            task.cancel()
        received.append(number)

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, cancel, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


async def ended_by_signal(running: Awaitable[object]) -> bool:
    """Wait for `running`; True when a signal came first, which then counts as the wished-for end."""
    try:
        await running
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (always so inside a coroutine)
        task.uncancel()
        return True
    return False
