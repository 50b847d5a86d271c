"""Steps that are not to be left half done, awaited by a task that may be cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
_running: set[asyncio.Future[Any]] = set()
"""Strong references: the event loop keeps only weak ones."""


async def to_the_end(step: Awaitable[T], interrupt: Callable[[], None] | None = None) -> T:
    """Return what the step returns. Cancelled, ask it to end by `interrupt` and wait for that, whatever its outcome.

    A second cancellation ends the wait and leaves the step running.
    """
    running = asyncio.ensure_future(step)
    _running.add(running)
    running.add_done_callback(_running.discard)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if interrupt is not None:
            interrupt()
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # looked at: its caller has been cancelled
        raise
