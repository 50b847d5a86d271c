"""Runs side by side, and runs alone: what may have crashed the process is tried with nothing else to hit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """A run alone waits for all that began before it; all that come after it wait for its end."""

    def __init__(self) -> None:
        self._entrance = asyncio.Lock()  # lets waiters in, in the order in which they came
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Run the block beside others."""
        async with self._entrance:
            self._running += 1
            self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Run the block with no other beside it."""
        async with self._entrance:
            await self._idle.wait()
            yield
