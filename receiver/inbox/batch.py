"""Group commit: what arrives while a commit runs goes into the next one, and each waits for its own outcome."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from receiver.tables import own_instance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Commit = Callable[[Sequence["Item"]], Awaitable[Sequence["Outcome"]]]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MOST_ITEMS = 64
MOST_WEIGHT = 1000
"""Rows of recordings: few enough that no delivery waits long for a batch, or for an aborted one to be repeated."""
_GATHER_S = 0.004
"""Longest time a batch is held open while the event loop brings more items."""
_QUIET_TURNS = 4
"""A request needs about three turns from its socket to here; after more, no other is on the way."""


class Batcher(Generic[Item, Outcome]):
    """Hands items to `commit` in batches, at most `writers` at a time.

    `commit` returns one outcome an item, in order, once all of them are durable. Where it fails and `blames` tells that
    an item is at fault, each is committed alone, so that only those at fault fail; an outage fails them all. The tasks
    begin with the first item and end when none is left. `weigh` tells how many rows an item brings.
    """

    def __init__(
        self,
        commit: Commit[Item, Outcome],
        *,
        blames: Callable[[Exception], bool],
        weigh: Callable[[Item], int],
        writers: int,
    ) -> None:
        self._commit = commit
        self._blames = blames
        self._weigh = weigh
        self._writers = writers
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._writing: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Outcome:
        """Return the item's outcome after the commit, or raise its own failure.

        A caller that is cancelled leaves the others' batch alone; its item may still be committed.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if len(self._writing) < self._writers:
            self._writing.add(asyncio.create_task(self._write_until_empty(), name="inbox"))
        return await outcome

    async def _write_until_empty(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                if batch := self._next_batch():
                    await self._settle(batch)
        finally:
            # here and not in a callback: a caller that has its outcome submits the next item before callbacks run
            self._writing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _gather(self) -> None:
        """Hold the batch open for items that are about to arrive: until the loop has gone quiet."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _GATHER_S
        seen = quiet = 0
        while quiet < _QUIET_TURNS and len(self._waiting) < MOST_ITEMS and loop.time() < until:
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)
            await asyncio.sleep(0)

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        weight = 0
        while self._waiting and len(batch) < MOST_ITEMS:
            weight += self._weigh(self._waiting[0][0])
            if batch and weight > MOST_WEIGHT:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        """Commit the batch and tell every waiter; nothing but cancellation comes out of here."""
        try:
            found = await self._commit([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, outcome in batch:
                outcome.cancel()
            raise
        except Exception as e:  # noqa: BLE001  (whatever it is, it is the waiters' to raise)
            if len(batch) > 1 and self._blames(e):
                for one in batch:
                    await self._settle([one])
                return
            for outcome in _unsettled(batch):
                outcome.set_exception(own_instance(e))
        else:
            values = dict(zip((outcome for _, outcome in batch), found, strict=True))
            for outcome in _unsettled(batch):
                outcome.set_result(values[outcome])


def _unsettled(batch: Sequence[tuple[Item, asyncio.Future[Outcome]]]) -> list[asyncio.Future[Outcome]]:
    """Return the waiters that are still there."""
    return [outcome for _, outcome in batch if not outcome.done()]
