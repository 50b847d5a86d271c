"""MP4 and QuickTime (ISO/IEC 14496-12): boxes, and what the sample tables, fragments and indexes point to."""

from __future__ import annotations

from struct import Struct, unpack
from typing import TYPE_CHECKING

from receiver.media.fragments import FRAGMENT_LEAVES, Fragments
from receiver.media.walk import (
    BLOCK_BYTES,
    ENDLESS,
    MalformedError,
    Span,
    Structure,
    beyond,
    overrun,
    take,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from receiver.media.walk import Steps

_HEADER = Struct(">I4s")
_U32 = Struct(">I")
_U64 = Struct(">Q")
_FLAGS_MASK = 0xFF_FFFF
_MVHD = (Struct(">8xII"), Struct(">16xIQ"))  # by version: time scale, duration
_REFERENCE = Struct(">I4sI")
_SIDX = (Struct(">12xI2xH"), Struct(">16xQ2xH"))  # by version: first offset, count of references
_SIDX_REFERENCE = Struct(">I8x")
_SIDX_LENGTH_MASK = 0x7FFF_FFFF
_NO_MOVIE = "the file has no moov box, without which nothing in it can be played"
_NO_MEDIA = "the file has a moov box that tells of fragments, and none of them"
_FILE = Span(b"", 0, ENDLESS)
_CONTAINERS = {
    b"moov": b"",
    b"trak": b"moov",
    b"mdia": b"trak",
    b"minf": b"mdia",
    b"dinf": b"minf",
    b"stbl": b"minf",
    b"mvex": b"moov",
    b"moof": b"",
    b"traf": b"moof",
}
_LEAVES = {
    b"mvhd": b"moov",
    b"mehd": b"mvex",
    b"dref": b"dinf",
    b"stco": b"stbl",
    b"co64": b"stbl",
    b"sidx": b"",
    **FRAGMENT_LEAVES,
}
# Others may be garbage behind the file, or lose nothing when cut (free, skip, wide).
_TELLING = frozenset(
    {b"ftyp", b"mdat", b"mfra", b"styp", b"meta", b"uuid", b"emsg", b"prft", b"ssix", *_CONTAINERS, *_LEAVES}
)


class Mp4:
    """Reads the boxes of one file."""

    def __init__(self) -> None:
        self._open: list[Span] = []
        self._heading = b""  # of a box whose 64-bit size is still to come
        self._described = False
        self._timescale = 0
        self._duration: int | None = None
        self._fragmented = False
        self._fragments = Fragments()
        self._furthest = (0, "")  # what is pointed to, and by what
        self._furthest_chunk = 0  # of the track at hand
        self._has_chunks = False
        self._chunks_elsewhere = False  # the track's samples are in another file

    def steps(self) -> Steps:
        at = 0
        while True:
            at = self._leave(at)
            heading = yield at, _HEADER.size
            while self._open and self._open[-1].end <= at:
                self._open.pop()
            try:
                at = yield from self._box(at, heading)
            except MalformedError:
                if not self._open:
                    return  # garbage, or mere zeros: there is no telling where a box would begin again
                at = self._open[-1].end

    def _leave(self, at: int) -> int:
        """Return where the next box can begin at or after `at`: behind all boxes that have no room for one."""
        for box in reversed(self._open):
            if at + _HEADER.size > box.end:
                at = box.end
        return at

    def _box(self, at: int, heading: bytes) -> Generator[tuple[int, int], bytes, int]:
        """Read the box that `heading` begins; return where to go on."""
        parent = self._open[-1] if self._open else _FILE
        self._heading = b""
        length, kind = _HEADER.unpack(heading)
        body = at + _HEADER.size
        if length == 1:
            self._heading = heading
            (length,) = yield from take(_U64, body, parent.end)
            self._heading = b""
            body += _U64.size
        if length == 0 and parent is _FILE:
            end = ENDLESS
        elif length < body - at:
            raise MalformedError
        else:
            end = min(at + length, parent.end)
        self._open.append(Span(kind, at, end))
        if parent is _FILE and kind in {b"moov", b"meta"}:  # the latter alone makes an image
            self._described = True
        if _CONTAINERS.get(kind) == parent.kind:
            self._enter(kind, at)
            return body
        if _LEAVES.get(kind) == parent.kind:
            yield from self._leaf(kind, body, end)
        return end

    def _enter(self, kind: bytes, at: int) -> None:
        match kind:
            case b"trak":
                self._end_track()
            case b"mvex":
                self._fragmented, self._duration = True, None  # the fragments' own may follow
            case b"moof":
                self._fragments.enter(at)
            case b"traf":
                self._fragments.enter_track()
            case _:
                pass

    def _end_track(self) -> None:
        if not self._chunks_elsewhere:
            self._point(self._furthest_chunk, "sample table")
        self._furthest_chunk, self._chunks_elsewhere = 0, False

    def _point(self, position: int, what: str) -> None:
        self._furthest = max(self._furthest, (position, what))

    def _leaf(self, kind: bytes, at: int, end: int) -> Steps:
        (flags,) = yield from take(_U32, at, end)
        wide = flags > _FLAGS_MASK  # version 1
        flags &= _FLAGS_MASK
        at += _U32.size
        match kind:
            case b"mvhd":
                self._timescale, duration = yield from take(_MVHD[wide], at, end)
                if not self._fragmented:
                    self._duration = _known(duration, wide=wide)
            case b"mehd":
                (duration,) = yield from take(_U64 if wide else _U32, at, end)
                self._duration = _known(duration, wide=wide)
            case b"dref":
                yield from self._data_references(at, end)
            case b"stco":
                yield from self._chunk_offsets("I", 4, at, end)
            case b"co64":
                yield from self._chunk_offsets("Q", 8, at, end)
            case b"sidx":
                yield from self._segment_index(wide=wide, at=at, end=end)
            case _:
                yield from self._fragments.leaf(kind, at, end, flags=flags, version=int(wide))

    def _data_references(self, at: int, end: int) -> Steps:
        """Learn whether the track's samples are in this file: an entry's flag 1 says that they are."""
        at += _U32.size
        while at + _REFERENCE.size <= end:
            length, _, flags = yield from take(_REFERENCE, at, end)
            if length < _REFERENCE.size:
                raise MalformedError
            self._chunks_elsewhere |= not flags & 1
            at += length

    def _chunk_offsets(self, code: str, width: int, at: int, end: int) -> Steps:
        (count,) = yield from take(_U32, at, end)
        at += _U32.size
        left = min(count, (end - at) // width)
        self._has_chunks |= left > 0
        while left:
            taken = min(left, BLOCK_BYTES // width)
            block = yield at, taken * width
            self._furthest_chunk = max(self._furthest_chunk, *unpack(f">{taken}{code}", block))
            at += taken * width
            left -= taken

    def _segment_index(self, *, wide: bool, at: int, end: int) -> Steps:
        layout = _SIDX[wide]
        first_offset, count = yield from take(layout, at, end)
        at += layout.size
        position = end + first_offset
        for _ in range(count):
            (length,) = yield from take(_SIDX_REFERENCE, at, end)
            position += length & _SIDX_LENGTH_MASK
            at += _SIDX_REFERENCE.size
        if end < ENDLESS:
            self._point(position, "segment index")

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        self._end_track()
        self._point(self._fragments.furthest, "movie fragment")
        duration_s = self._duration / self._timescale if self._duration and self._timescale else None
        incomplete = self._incomplete(size_bytes, self._heading + tail)
        if incomplete is None and self._fragmented:
            incomplete = self._fragments.timeline.problem(duration_s)
        is_cut = incomplete not in {None, _NO_MOVIE, _NO_MEDIA}
        return Structure(duration_s=duration_s, incomplete=incomplete, is_cut=is_cut)

    def _incomplete(self, size_bytes: int, heading: bytes) -> str | None:
        for box in self._open:
            if box.overruns(size_bytes) and box.kind in _TELLING:
                return overrun(f"{box.kind.decode()} box", box, size_bytes)
        if heading[4:] and any(kind.startswith(heading[4:8]) for kind in _TELLING):
            return f"the file ends at byte {size_bytes:,}, within the header of a box"
        if not self._described:
            return _NO_MOVIE
        position, what = self._furthest
        if position > size_bytes:
            return beyond(what, position, size_bytes)
        if self._fragmented and not self._fragments.count and not self._has_chunks:
            return _NO_MEDIA
        return None


def _known(duration: int, *, wide: bool) -> int | None:
    return None if duration == (0xFFFF_FFFF_FFFF_FFFF if wide else 0xFFFF_FFFF) else duration
