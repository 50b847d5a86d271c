"""The fragments of an MP4 (ISO/IEC 14496-12, 8.8): where their samples are, and when."""

from __future__ import annotations

from struct import Struct, unpack
from typing import TYPE_CHECKING

from receiver.media.timeline import Timeline
from receiver.media.walk import BLOCK_BYTES, take

if TYPE_CHECKING:
    from collections.abc import Generator

    from receiver.media.walk import Steps

_U32 = Struct(">I")
_U64 = Struct(">Q")
_OFFSET = Struct(">i")
_TREX = Struct(">I4xI")  # track, how long its samples last
# By version: the track; the units in which the track counts its time
_TKHD = (Struct(">8xI"), Struct(">16xI"))
_MDHD = (Struct(">8xI"), Struct(">16xI"))
_TFDT = (_U32, _U64)
_TFHD_BASE = 0x1
_TFHD_DESCRIPTION = 0x2
_TFHD_DURATION = 0x8
_TFHD_BASE_IS_MOOF = 0x2_0000
_TRUN_OFFSET = 0x1
_TRUN_FIRST_FLAGS = 0x4
_TRUN_DURATION = 0x100
_TRUN_FIELDS = 0xF00


FRAGMENT_LEAVES = {  # by what they lie in
    b"tkhd": b"trak",
    b"mdhd": b"mdia",
    b"trex": b"mvex",
    b"tfhd": b"traf",
    b"tfdt": b"traf",
    b"trun": b"traf",
}


class Fragments:
    """Reads the boxes that fragments consist of, and those of the movie that they refer to."""

    def __init__(self) -> None:
        self.count = 0
        self.furthest = 0  # what their runs point to
        self.timeline = Timeline()
        self._start = 0
        self._tracks = 0
        self._run_base: int | None = None

    def enter(self, at: int) -> None:
        """Begin the fragment whose moof box is at `at`."""
        self.count += 1
        self._start, self._tracks = at, 0

    def enter_track(self) -> None:
        self._tracks += 1
        self._run_base = None

    def leaf(self, kind: bytes, at: int, end: int, *, flags: int, version: int) -> Steps:
        match kind:
            case b"tkhd":
                self.timeline.track(*(yield from take(_TKHD[version], at, end)))
            case b"mdhd":
                self.timeline.timescale(*(yield from take(_MDHD[version], at, end)))
            case b"trex":
                self.timeline.defaults(*(yield from take(_TREX, at, end)))
            case b"tfdt":
                self.timeline.begin(*(yield from take(_TFDT[version], at, end)))
            case b"tfhd":
                yield from self._track(flags, at, end)
            case _:
                yield from self._run(flags, at, end)

    def _track(self, flags: int, at: int, end: int) -> Steps:
        """Learn what the runs' offsets count from; bases elsewhere than at the fragment's start are left alone."""
        self.timeline.track(*(yield from take(_U32, at, end)))
        at += _U32.size
        base: int | None = None
        if flags & _TFHD_BASE:
            (base,) = yield from take(_U64, at, end)
            at += _U64.size
        elif flags & _TFHD_BASE_IS_MOOF or self._tracks == 1:
            base = self._start
        self._run_base = base if base == self._start else None
        if flags & _TFHD_DURATION:
            at += _U32.size if flags & _TFHD_DESCRIPTION else 0
            self.timeline.fragment_defaults(*(yield from take(_U32, at, end)))

    def _run(self, flags: int, at: int, end: int) -> Steps:
        (samples,) = yield from take(_U32, at, end)
        at += _U32.size
        if flags & _TRUN_OFFSET:
            (offset,) = yield from take(_OFFSET, at, end)
            at += _OFFSET.size
            if samples and self._run_base is not None:
                self.furthest = max(self.furthest, self._run_base + offset)
        at += _U32.size if flags & _TRUN_FIRST_FLAGS else 0
        units = (yield from _run_units(flags, samples, at, end)) if flags & _TRUN_DURATION else None
        self.timeline.add(samples=samples, units=units)


def _run_units(flags: int, samples: int, at: int, end: int) -> Generator[tuple[int, int], bytes, int]:
    """Add up how long the samples of a run last, which is the first field that it has of each."""
    fields = (flags & _TRUN_FIELDS).bit_count()
    row_bytes = 4 * fields
    left = min(samples, max(0, end - at) // row_bytes)
    units = 0
    while left:
        rows = min(left, BLOCK_BYTES // row_bytes)
        block = yield at, rows * row_bytes
        units += sum(unpack(f">{rows * fields}I", block)[::fields])
        at += rows * row_bytes
        left -= rows
    return units
