"""Which parts of an unfinished upload need not be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.transfer.part import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from receiver.records import HeldPart, UnfinishedUpload, UploadedPart
    from receiver.transfer.source import Source


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
