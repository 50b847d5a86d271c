"""A part's place in the file, and the order in which parts read the one stream that reads all of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """`near_end` is set while it is about to pass, and `passed` once its last byte was read and its reader is done.

    Of the event loop, but for `number`, `first` and `end`.
    """

    number: int
    first: int
    end: int
    previous: Part | None = field(default=None, repr=False)
    near_end: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    passed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _tickets: list[Future[None]] = field(default_factory=list, repr=False)

    @property
    def size_bytes(self) -> int:
        return self.end - self.first

    def ticket(self) -> Future[None] | None:
        """Return what is done once the part before this one has passed, and cancelled where that must be read again.

        None where it has passed already, or there is none.
        """
        if self.previous is None or self.previous.passed.is_set():
            return None
        ticket: Future[None] = Future()
        self.previous._tickets.append(ticket)  # noqa: SLF001  (its own kind)
        return ticket

    def pass_on(self) -> None:
        """Say that this part has passed; safe to repeat."""
        self.near_end.set()
        self.passed.set()
        for ticket in self._tickets:
            if not ticket.done():
                ticket.set_result(None)

    def hold_back(self) -> None:
        """Void the tickets of who waits for this part, unless it has passed: it is to be read again."""
        if not self.passed.is_set():
            self.near_end.clear()
            for ticket in self._tickets:
                ticket.cancel()


def parts_of(file_bytes: int, part_bytes: int) -> list[Part]:
    """Cut a file into parts, numbered from 1; all but the last are `part_bytes` long."""
    parts: list[Part] = []
    for number, first in enumerate(range(0, file_bytes, part_bytes), start=1):
        end = min(first + part_bytes, file_bytes)
        parts.append(Part(number=number, first=first, end=end, previous=parts[-1] if parts else None))
    return parts
