"""A part's place in the file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`passed` is set once its last byte was read and its reader is done; it belongs to the event loop."""

    number: int
    first: int
    end: int
    passed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def size_bytes(self) -> int:
        return self.end - self.first


def parts_of(file_bytes: int, part_bytes: int) -> list[Part]:
    """Cut a file into parts, numbered from 1; all but the last are `part_bytes` long."""
    return [
        Part(number=number, first=first, end=min(first + part_bytes, file_bytes))
        for number, first in enumerate(range(0, file_bytes, part_bytes), start=1)
    ]
