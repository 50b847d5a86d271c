"""What an answer's headers say of the file: which of its bytes follow, of how many, in which version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.errors import SourceLengthMismatchError, SourceLengthUnknownError, SourceNotMediaError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_UNENCODED = frozenset({"", "identity", "aws-chunked"})  # the last is upload framing that stores forget to drop


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Bytes `first` up to but not including `end`, of a file of `total` bytes. `etag` is set only if it is strong.

    `resumable`: the host serves ranges, and a strong ETag can tell whether a later one is of the same file.
    """

    first: int
    end: int
    total: int
    etag: str | None
    resumable: bool


def read_extent(status: int, headers: Mapping[str, str]) -> Extent:
    """Read a 200 or 206; lengths that are absent, or contradict each other, are errors."""
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _UNENCODED:
        raise SourceNotMediaError(f"the body came with Content-Encoding {encoding[:20]!r}, though identity was asked")
    etag = headers.get("ETag")
    strong = etag if etag and not etag.startswith("W/") else None
    length = _content_length(headers)
    if status == 200:
        if length is None:
            raise SourceLengthUnknownError("the answer has no Content-Length, so a cut file could not be noticed")
        return Extent(first=0, end=length, total=length, etag=strong, resumable=False)
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        raise SourceLengthMismatchError("a partial answer came without a usable Content-Range")
    if found[3] == "*":
        raise SourceLengthUnknownError("Content-Range names no total, so a cut file could not be noticed")
    first, end, total = int(found[1]), int(found[2]) + 1, int(found[3])
    if not first < end <= total or length not in {None, end - first}:
        raise SourceLengthMismatchError(
            f"Content-Range has bytes {first} to {end - 1} of {total}, Content-Length is {length}"
        )
    return Extent(first=first, end=end, total=total, etag=strong, resumable=strong is not None)


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length")
    if value is None:
        return None
    if not value.isdecimal():
        raise SourceLengthMismatchError("Content-Length is not a number")
    return int(value)
