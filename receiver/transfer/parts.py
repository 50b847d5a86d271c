"""Plans an upload: how a file is cut into parts, and which of an unfinished upload are not sent again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from receiver.records import HeldPart, UnfinishedUpload, UploadedPart
    from receiver.transfer.source import Source


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


def same_file(unfinished: UnfinishedUpload, source: Source) -> bool:
    """Tell whether the opened source is surely the file that the upload was begun from, and can be read by ranges."""
    noted = (unfinished.source_etag, unfinished.source_size_bytes)
    return source.resumable and noted == (source.etag, source.size_bytes)


def confirmed(unfinished: UnfinishedUpload, held: Iterable[HeldPart]) -> tuple[UploadedPart, ...]:
    """Return the noted parts that the store holds as they were noted, and that are a cut of the noted file."""
    there = {part.number: (part.size_bytes, part.etag.strip('"')) for part in held}
    cut = {part.number: part.size_bytes for part in parts_of(unfinished.source_size_bytes, unfinished.part_size_bytes)}
    return tuple(
        part
        for part in unfinished.parts
        if there.get(part.number) == (part.size_bytes, part.etag.strip('"')) and cut.get(part.number) == part.size_bytes
    )
