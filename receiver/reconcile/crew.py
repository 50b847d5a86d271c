"""Several things done at once, and no more of them read ahead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")

AT_ONCE = 16
"""Meetings whose listings are asked for at once: then a distant API's latency does not bound the speed."""


async def each(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Do `work` on every item; the first error ends it all, and nothing is left running."""
    turn = asyncio.Lock()

    async def take_turns() -> None:
        while True:
            async with turn:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            await work(item)

    crew = [asyncio.create_task(take_turns()) for _ in range(at_once)]
    try:
        await asyncio.gather(*crew)
    finally:
        for task in crew:
            task.cancel()
        await asyncio.gather(*crew, return_exceptions=True)
