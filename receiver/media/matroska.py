"""Matroska and WebM (RFC 9559, EBML: RFC 8794), also as live recorders write them: without sizes."""

from __future__ import annotations

import math
from struct import Struct
from typing import TYPE_CHECKING

from receiver.media.walk import ENDLESS, MalformedError, Span, Structure, beyond, overrun

if TYPE_CHECKING:
    from collections.abc import Generator

    from receiver.media.walk import Steps

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_SEEK_HEAD = b"\x11\x4d\x9b\x74"
_SEEK = b"\x4d\xbb"
_SEEK_POSITION = b"\x53\xac"
_INFO = b"\x15\x49\xa9\x66"
_TIMESTAMP_SCALE = b"\x2a\xd7\xb1"
_DURATION = b"\x44\x89"
_TRACKS = b"\x16\x54\xae\x6b"
_CLUSTER = b"\x1f\x43\xb6\x75"
_NAMES = {  # Void is not among them: it loses nothing when cut. Other ids may be garbage behind the file.
    _EBML: "EBML header",
    _SEGMENT: "Segment",
    _SEEK_HEAD: "SeekHead",
    _INFO: "Info",
    _TRACKS: "Tracks",
    _CLUSTER: "Cluster",
    b"\x1c\x53\xbb\x6b": "Cues",
    b"\x10\x43\xa7\x70": "Chapters",
    b"\x19\x41\xa4\x69": "Attachments",
    b"\x12\x54\xc3\x67": "Tags",
    b"\xe7": "Timestamp",
    b"\xab": "PrevSize",
    b"\xa3": "SimpleBlock",
    b"\xa0": "BlockGroup",
}
_VOID = b"\xec"
_TOP = frozenset({_EBML, _SEGMENT, _VOID})
_NOT_IN_SEGMENT = frozenset({_EBML, _SEGMENT})
_NOT_IN_CLUSTER = frozenset(kind for kind in _NAMES if len(kind) == 4)
_MASTERS = {_SEGMENT: b"", _SEEK_HEAD: _SEGMENT, _SEEK: _SEEK_HEAD, _INFO: _SEGMENT, _CLUSTER: _SEGMENT}
_VALUES = {_SEEK_POSITION: _SEEK, _TIMESTAMP_SCALE: _INFO, _DURATION: _INFO}
_VALUE_BYTES = range(1, 9)
_FLOATS = {4: Struct(">f"), 8: Struct(">d")}
_NO_TRACKS = "the file has no Tracks element, without which nothing in it can be played"
_NO_CLUSTER = "the file has no Cluster, and so neither sound nor picture in it"
_FILE = Span(b"", 0, ENDLESS)


class Matroska:
    """Reads the elements of one file."""

    def __init__(self) -> None:
        self._open: list[Span] = []
        self._header = b""  # what there is of the next element's
        self._lost = False
        self._has_tracks = False
        self._has_cluster = False
        self._segment_start = 0
        self._furthest = 0
        self._scale_ns = 1_000_000
        self._duration = 0.0  # in units of the scale

    def steps(self) -> Steps:
        at = 0
        try:
            while True:
                at = yield from self._element(at)
        except MalformedError:
            self._lost = True  # garbage, or mere zeros: there is no telling where an element would begin again

    def _element(self, at: int) -> Generator[tuple[int, int], bytes, int]:
        """Read the element at `at`; return where to go on."""
        kind, length, body = yield from self._head(at)
        self._close(kind, at)
        parent = self._open[-1] if self._open else _FILE
        end = parent.end if length is None else min(body + length, parent.end)
        if body > end or (parent is _FILE and kind not in _TOP):
            raise MalformedError
        self._open.append(Span(kind, at, end, length is None))
        if length is None and kind not in {_SEGMENT, _CLUSTER}:
            raise MalformedError
        self._has_tracks |= kind == _TRACKS
        self._has_cluster |= kind == _CLUSTER
        if kind == _SEGMENT:
            self._segment_start = body
        if _MASTERS.get(kind) == parent.kind and (kind != _CLUSTER or length is None):
            return body
        if _VALUES.get(kind) == parent.kind and end - body in _VALUE_BYTES:
            self._keep(kind, (yield body, end - body))
        return end

    def _head(self, at: int) -> Generator[tuple[int, int], bytes, tuple[bytes, int | None, int]]:
        """Read an id and a size; return them, the size None if unknown, and where the body begins."""
        self._header = b""
        self._header = yield at, 2
        id_bytes = 9 - self._header[0].bit_length()
        if id_bytes > 4:
            raise MalformedError
        if id_bytes > 1:
            self._header += yield at + 2, id_bytes - 1
        size_bytes = 9 - self._header[id_bytes].bit_length()
        if size_bytes > 8:
            raise MalformedError
        if size_bytes > 1:
            self._header += yield at + id_bytes + 1, size_bytes - 1
        kind, ones = self._header[:id_bytes], (1 << 7 * size_bytes) - 1
        length = int.from_bytes(self._header[id_bytes:]) & ones
        self._header = b""
        return kind, None if length == ones else length, at + id_bytes + size_bytes

    def _close(self, kind: bytes, at: int) -> None:
        """Leave the elements that end at `at`: by their size, or because one of this kind cannot lie in them."""
        while self._open:
            last = self._open[-1]
            ended = last.unsized and kind in (_NOT_IN_CLUSTER if last.kind == _CLUSTER else _NOT_IN_SEGMENT)
            if not ended and last.end > at:
                return
            self._open.pop()

    def _keep(self, kind: bytes, value: bytes) -> None:
        if kind == _DURATION and len(value) in _FLOATS:
            (self._duration,) = _FLOATS[len(value)].unpack(value)
        elif kind == _TIMESTAMP_SCALE:
            self._scale_ns = int.from_bytes(value)
        elif kind == _SEEK_POSITION and self._open[0].unsized and value.strip(b"\xff"):
            # A size tells it better; all ones are a placeholder that a live writer was to fill in at the end.
            self._furthest = max(self._furthest, self._segment_start + int.from_bytes(value))

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        duration_s = self._duration * self._scale_ns / 1e9
        known = math.isfinite(duration_s) and duration_s > 0
        incomplete = self._incomplete(size_bytes, tail)
        is_cut = incomplete not in {None, _NO_TRACKS, _NO_CLUSTER}
        return Structure(duration_s=duration_s if known else None, incomplete=incomplete, is_cut=is_cut)

    def _incomplete(self, size_bytes: int, tail: bytes) -> str | None:
        for element in self._open:
            if element.overruns(size_bytes) and element.kind in _NAMES:
                return overrun(_NAMES[element.kind], element, size_bytes)
        if self._lost:
            return None
        header = self._header + tail
        if header and self._open and self._open[0].unsized and any(_begins_alike(header, kind) for kind in _NAMES):
            return f"the file ends at byte {size_bytes:,}, within the header of an element"
        if not self._has_tracks:
            return _NO_TRACKS
        if self._furthest >= size_bytes:
            return beyond("SeekHead", self._furthest, size_bytes)
        return None if self._has_cluster else _NO_CLUSTER


def _begins_alike(header: bytes, kind: bytes) -> bool:
    return header.startswith(kind) or kind.startswith(header)
