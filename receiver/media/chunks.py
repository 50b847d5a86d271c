"""Containers of chunks: WAV, AVI, AIFF, CAF, Wave64 and ASF. Writers that cannot go back leave sizes unknown."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from receiver.media.records import Format
from receiver.media.walk import ENDLESS, MalformedError, Span, take

if TYPE_CHECKING:
    from receiver.media.records import End

_PRINTABLE = range(0x20, 0x7F)
_UNKNOWN_32 = frozenset(
    {0, 0xFFFF_FFFF, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000}
)  # of ffmpeg, SoX and arecord, into pipes
_U32 = {b"RIFX": Struct(">I"), b"FORM": Struct(">I")}
_U32_LITTLE = Struct("<I")
_AU = Struct(">II")
_AU_HEADER_BYTES = 24
_DS64 = Struct("<QQ")
_FORM = Struct("4s")
_U64 = Struct("<Q")
_HEADER_BYTES = 24  # a 16-byte id and a size that counts both


class Riff(Format):
    """RIFF and AIFF: one chunk of all, and chunks in it, of 32-bit sizes and an even length.

    RIFF: Multimedia Programming Interface and Data Specifications 1.0, chapter 2. RF64 and BW64, whose 64-bit sizes are
    in a ds64 chunk: EBU Tech 3306, ITU-R BS.2088. AIFF: Audio Interchange File Format 1.3. AVI has one outer chunk or
    more, one behind another (OpenDML 1.02), which are entered only where they do not tell their size.
    """

    header_bytes = 8

    def __init__(self) -> None:
        self._u32 = _U32_LITTLE
        self._data_bytes = 0  # of 64 bits
        self._is_audio = False
        self._is_entered = False
        self._has_data = False

    def record(self, at: int, header: bytes) -> End:
        if header[0] == 0 and any(
            header
        ):  # the chunk before has an odd length; some writers forget the byte that makes it even
            header = header[1:] + (yield at + len(header), 1)
            at += 1
        if at == 0 or (header.startswith(b"RIFF") and not self._is_audio):  # another of AVI
            return (yield from self._outer(at, header))
        is_behind = 0 < self.declared_bytes <= at - self.header_bytes
        if not self._is_entered or is_behind or not _is_name(header[:4]):
            raise MalformedError
        kind, (length,) = header[:4], self._u32.unpack(header[4:])
        body = at + len(header)
        if kind == b"LIST" and length in _UNKNOWN_32:
            return Span(b"LIST chunk", at, body + _FORM.size)
        if kind == b"ds64":
            outer_bytes, self._data_bytes = yield from take(_DS64, body, body + length)
            self.declared_bytes = outer_bytes
        elif kind in {b"data", b"SSND"}:
            self._has_data = True
            if length == 0xFFFF_FFFF and self._data_bytes:
                length = self._data_bytes
            elif length in _UNKNOWN_32:
                self.declared_bytes, length = 0, ENDLESS
        return Span(b"%s chunk" % kind, at, min(body + length, ENDLESS))

    def _outer(self, at: int, header: bytes) -> End:
        kind = header[:4]
        self._u32 = _U32.get(kind, _U32_LITTLE)
        (length,) = self._u32.unpack(header[4:])
        (form,) = _FORM.unpack((yield at + len(header), _FORM.size))
        is_known = length not in _UNKNOWN_32
        if form in {b"AVI ", b"AVIX"}:
            self._is_entered = not is_known
            return Span(b"RIFF chunk", at, at + len(header) + (length if is_known else _FORM.size))
        self.declared_bytes = length if is_known else 0  # less by the header, which some writers count too
        self._is_audio = self._is_entered = True
        return Span(b"%s chunk" % kind, at, at + len(header) + _FORM.size)

    def may_end(self, tail: bytes) -> bool:
        return not _is_name(tail.lstrip(b"\0")[:4])

    def missing(self) -> str | None:
        return "the file has no sound in it" if self._is_audio and not self._has_data else None


_CAF_CHUNKS = frozenset(
    {b"desc", b"data", b"pakt", b"kuki", b"chan", b"free", b"info", b"strg", b"mark", b"regn", b"inst", b"midi"}
    | {b"ovvw", b"peak", b"umid", b"edct", b"uuid"}
)


class Caf(Format):
    """Apple's Core Audio Format, specification 1.0: a header of 8 bytes, and chunks of 64-bit sizes."""

    header_bytes = 8

    def __init__(self) -> None:
        self._has_data = False

    def record(self, at: int, header: bytes) -> End:
        if at == 0:
            return Span(b"caff header", 0, len(header))
        kind = header[:4]
        length = int.from_bytes(header[4:] + (yield at + len(header), 4), signed=True)
        self._has_data |= kind == b"data"
        if kind == b"data" and length == -1:
            return Span(b"data chunk", at, ENDLESS)
        if length < 0 or kind not in _CAF_CHUNKS:
            raise MalformedError
        return Span(b"%s chunk" % kind, at, at + 12 + length)

    def may_end(self, tail: bytes) -> bool:
        return not tail or not any(kind.startswith(tail[:4]) for kind in _CAF_CHUNKS)

    def missing(self) -> str | None:
        return None if self._has_data else "the file has no sound in it"


class Au(Format):
    """Sun's .au: a header that tells where the sound begins and how long it is, and nothing behind it."""

    header_bytes = 12

    def record(self, at: int, header: bytes) -> End:
        if at:
            raise MalformedError
        start, length = _AU.unpack(header[4:])
        yield len(header), _AU_HEADER_BYTES - len(header)
        start = max(start, _AU_HEADER_BYTES)
        return Span(b"sound", at, ENDLESS if length in _UNKNOWN_32 else start + length)


_W64_NAME_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of all ids but the outer one, which a 4-letter name begins
_W64_HEADER_BYTES = 40  # the outer id, its size, and the id of the form


class W64(Format):
    """Sony's Wave64: 16-byte ids, 64-bit sizes that count their own header, chunks at multiples of 8 bytes."""

    header_bytes = 16
    alignment = 8

    def record(self, at: int, header: bytes) -> End:
        (length,) = _U64.unpack((yield at + len(header), _U64.size))
        if at == 0:
            return Span(b"riff header", 0, _W64_HEADER_BYTES)
        if header[4:16] != _W64_NAME_END:
            raise MalformedError
        if header[:4] == b"data" and (length <= _HEADER_BYTES or length >> 62):
            return Span(b"data chunk", at, ENDLESS)
        if length < _HEADER_BYTES:
            raise MalformedError
        return Span(b"%s chunk" % header[:4], at, at + length)

    def may_end(self, tail: bytes) -> bool:
        return not any(tail[:4]) or not _W64_NAME_END.startswith(tail[4:16])


_ASF_NO_PACKETS_BYTES = 50
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_OBJECTS = {
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): b"header object",
    _ASF_DATA: b"data object",
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"): b"index object",
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"): b"index object",
    bytes.fromhex("f803b1fead12644c840f2a1d2f7ad48c"): b"index object",
    bytes.fromhex("d03fb73c4a0c0348953dedf7b6228f0c"): b"index object",
}


class Asf(Format):
    """Microsoft's Advanced Systems Format 1.20.03, 2 and 3: objects of a 16-byte id and a 64-bit size."""

    header_bytes = 16

    def __init__(self) -> None:
        self._has_data = False

    def record(self, at: int, header: bytes) -> End:
        (length,) = _U64.unpack((yield at + len(header), _U64.size))
        if header not in _ASF_OBJECTS:
            raise MalformedError
        self._has_data |= header == _ASF_DATA
        if header == _ASF_DATA and (length <= _ASF_NO_PACKETS_BYTES or length >> 62):
            return Span(b"data object", at, ENDLESS)  # a broadcast, whose writer did not go back
        if length < _HEADER_BYTES:
            raise MalformedError
        return Span(_ASF_OBJECTS[header], at, at + length)

    def may_end(self, tail: bytes) -> bool:
        return not tail or not any(kind.startswith(tail) for kind in _ASF_OBJECTS)

    def missing(self) -> str | None:
        return None if self._has_data else "the file has no data object, without which nothing in it can be played"


def _is_name(name: bytes) -> bool:
    return len(name) > 0 and all(byte in _PRINTABLE for byte in name)
