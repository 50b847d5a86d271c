"""Containers of packets: Ogg, FLV, MPEG program streams, IVF, Janus' recordings, and MPEG audio without any."""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING

from receiver.media.frames import (
    ADTS_HEADER_BYTES,
    MPEG_AUDIO_HEADER_BYTES,
    TAG_HEADER_BYTES,
    adts_frame_bytes,
    mpeg_audio_frame_bytes,
    tag_bytes,
)
from receiver.media.records import Format
from receiver.media.walk import BLOCK_BYTES, ENDLESS, MalformedError, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from receiver.media.records import End

_XING = re.compile(rb"(Xing|Info)\0\0\0[\x03\x07\x0b\x0f]....(....)", re.DOTALL)  # the frames and bytes are told
_XING_BYTES = 64  # it stands behind at most 32 bytes of the frame's
_U16 = Struct(">H")
_U32 = Struct("<I")


class Ogg(Format):
    """Pages (RFC 3533, 6). That the last one does not say it is the last is no sign: live writers leave that out."""

    header_bytes = 27
    _MAGIC = b"OggS\0"
    _MOST_STREAMS = 64

    def __init__(self) -> None:
        self._unfinished: set[bytes] = set()  # streams whose last page ends within a packet

    def record(self, at: int, header: bytes) -> End:
        if not header.startswith(self._MAGIC):
            raise MalformedError
        lengths = b""
        if header[26]:
            lengths = yield at + len(header), header[26]
        stream = header[14:18]
        if not lengths.endswith(b"\xff"):
            self._unfinished.discard(stream)
        elif len(self._unfinished) < self._MOST_STREAMS:
            self._unfinished.add(stream)
        return Span(b"page", at, at + len(header) + len(lengths) + sum(lengths))

    def may_end(self, tail: bytes) -> bool:
        return not tail or not self._MAGIC.startswith(tail[:5])

    def missing(self) -> str | None:
        return "the page is missing on which the last packet goes on" if self._unfinished else None


class Flv(Format):
    """Tags (Adobe Flash Video File Format 10.1, E.3), each before the length of the one behind which it stands."""

    first_bytes = 9
    header_bytes = 15  # the length of the tag before, and a tag's header
    _MAGIC = b"FLV\x01"
    _AUDIO, _VIDEO, _SCRIPT = 8, 9, 18
    _FILE_BYTES = b"\0\x08filesize\0"  # of onMetaData: a name, and the mark of a number
    _DOUBLE = Struct(">d")
    _LENGTH_BYTES = 4

    def __init__(self) -> None:
        self.declared_bytes = 0

    def record(self, at: int, header: bytes) -> End:
        if at == 0:
            return Span(b"FLV header", 0, max(len(header), int.from_bytes(header[5:9])))
        kind, length = header[4] & 0x1F, int.from_bytes(header[5:8])
        if kind not in {self._AUDIO, self._VIDEO, self._SCRIPT} or any(header[12:15]):
            raise MalformedError
        body = at + len(header)
        if kind == self._SCRIPT and not self.declared_bytes and length:
            self.declared_bytes = self._declared((yield body, min(length, BLOCK_BYTES)))
        return Span(b"tag", at, body + length)

    def _declared(self, script: bytes) -> int:
        number = script.partition(self._FILE_BYTES)[2][: self._DOUBLE.size]
        if len(number) < self._DOUBLE.size:
            return 0
        (size_bytes,) = self._DOUBLE.unpack(number)
        return int(size_bytes) if 0 < size_bytes < ENDLESS else 0

    def may_end(self, tail: bytes) -> bool:
        return len(tail) == self._LENGTH_BYTES


class ProgramStream(Format):
    """Packs and packets (ISO/IEC 13818-1, 2.5.3; MPEG-1: ISO/IEC 11172-1, 2.4.3)."""

    header_bytes = 4
    _START = b"\0\0\1"
    _END, _PACK, _FIRST_SIZED = 0xB9, 0xBA, 0xBB

    def record(self, at: int, header: bytes) -> End:
        if not header.startswith(self._START) or header[3] < self._END:
            raise MalformedError
        body = at + len(header)
        if header[3] == self._END:
            return Span(b"end code", at, body)
        if header[3] == self._PACK:
            return Span(b"pack header", at, (yield from self._pack_end(body)))
        (length,) = _U16.unpack((yield body, _U16.size))
        if length == 0:  # until the next, wherever that is
            raise MalformedError
        return Span(b"packet", at, body + _U16.size + length)

    def _pack_end(self, body: int) -> Generator[tuple[int, int], bytes, int]:
        fields = yield body, 8
        if fields[0] >> 4 == 2:  # MPEG-1
            return body + 8
        if fields[0] >> 6 != 1:
            raise MalformedError
        stuffing = yield body + 9, 1
        return body + 10 + (stuffing[0] & 7)

    def may_end(self, tail: bytes) -> bool:
        return not any(tail) or not self._START.startswith(tail)


class Ivf(Format):
    """The WebM project's IVF: a 32-byte header, whose count of frames is no promise; frames of a length and a time."""

    header_bytes = 8

    def record(self, at: int, header: bytes) -> End:
        if at == 0:
            return Span(b"IVF header", 0, max(32, int.from_bytes(header[6:8], "little")))
        yield at + len(header), 4  # the rest of the time
        (length,) = _U32.unpack(header[:4])
        if length == 0:
            raise MalformedError
        return Span(b"frame", at, at + 12 + length)


class Mjr(Format):
    """RTP packets as Janus records them: 8 bytes that begin with a mark, a length of two, the packet."""

    header_bytes = 8
    _MARKS = (b"MJR0", b"MEET")

    def record(self, at: int, header: bytes) -> End:
        if not header.startswith(self._MARKS):
            raise MalformedError
        (length,) = _U16.unpack((yield at + len(header), _U16.size))
        return Span(b"packet", at, at + len(header) + _U16.size + length)

    def may_end(self, tail: bytes) -> bool:
        return not tail or not any(mark.startswith(tail[:4]) for mark in self._MARKS)


class Frames(Format):
    """Audio frames without a container, and ID3 tags before and between them."""

    def __init__(self, header_bytes: int, frame_bytes: Callable[[bytes], int | None]) -> None:
        self.header_bytes = header_bytes
        self._frame_bytes = frame_bytes
        self._has_frames = False

    def record(self, at: int, header: bytes) -> End:
        if header.startswith(b"ID3"):
            header += yield at + len(header), TAG_HEADER_BYTES - len(header)
            length = tag_bytes(header)
        else:
            length = self._frame_bytes(header)
        if length is None:
            raise MalformedError
        if not self._has_frames and header[0] == 0xFF:
            self._has_frames = True
            rest = yield at + len(header), min(length - len(header), _XING_BYTES)
            self.declared_bytes = self._declared(at, rest)
        return Span(b"frame", at, at + length)

    @staticmethod
    def _declared(at: int, frame: bytes) -> int:
        """Return the file's length by the Xing header of its first frame, in which LAME and others count the bytes."""
        found = _XING.search(frame)
        return at + int.from_bytes(found[2]) if found else 0

    def may_end(self, tail: bytes) -> bool:
        return not tail.startswith((b"\xff", b"ID3"))


def adts() -> Frames:
    return Frames(ADTS_HEADER_BYTES, adts_frame_bytes)


def mpeg_audio() -> Frames:
    return Frames(MPEG_AUDIO_HEADER_BYTES, mpeg_audio_frame_bytes)
