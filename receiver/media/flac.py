"""FLAC (RFC 9639): its frames tell no length, but each tells its number and ends with a checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from receiver.media.frames import TAG_HEADER_BYTES, tag_bytes
from receiver.media.walk import BLOCK_BYTES, MalformedError, Structure

if TYPE_CHECKING:
    from collections.abc import Generator

    from receiver.media.walk import Steps

_MAGIC = b"fLaC"
_STREAMINFO, _FORBIDDEN = 0, 127
_STREAMINFO_BYTES = 34
_SAMPLES_MASK = (1 << 36) - 1
_SYNCS = (b"\xff\xf8", b"\xff\xf9")  # where all blocks have one size, and are counted; where samples are counted
_MOST_HEADER_BYTES = 16
_MOST_FRAME_BYTES = 1 << 19
_BLOCK_SAMPLES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_BLOCK_FIELD_BYTES = {6: 1, 7: 2}  # by the code of the block's size; the size stands behind the number
_RATE_FIELD_BYTES = {12: 1, 13: 2, 14: 2}
_TITLE_BYTES = 128  # an ID3v1 tag


class _Frame(NamedTuple):
    number: int
    samples: int


class Flac:
    """Reads one file: finds its frames by the header that must come next, and keeps the last one to check it."""

    def __init__(self) -> None:
        self._total_samples = 0
        self._rate_hz = 0
        self._block_samples = 0
        self._sync = b""
        self._frame: _Frame | None = None
        self._frame_bytes = bytearray()
        self._searched = 1  # where in them the next frame's header may be
        self._in_frames = False
        self._lost = False

    def steps(self) -> Steps:
        try:
            at = yield from self._metadata()
            self._in_frames = True
            while True:
                self._take((yield at, BLOCK_BYTES), _MOST_HEADER_BYTES)
                at += BLOCK_BYTES
        except MalformedError:
            self._lost = True
            self._frame_bytes.clear()

    def _metadata(self) -> Generator[tuple[int, int], bytes, int]:
        """Read the blocks before the frames (8); return where these begin."""
        at = 0
        magic = yield at, len(_MAGIC)
        if magic.startswith(b"ID3"):
            at = tag_bytes(magic + (yield len(_MAGIC), TAG_HEADER_BYTES - len(_MAGIC))) or 0
            magic = yield max(at, TAG_HEADER_BYTES), len(_MAGIC)
        if magic != _MAGIC:
            raise MalformedError
        at += len(_MAGIC)
        is_last = False
        while not is_last:
            header = yield at, 4
            is_last, kind, length = header[0] >> 7 == 1, header[0] & 0x7F, int.from_bytes(header[1:])
            at += 4
            if kind == _FORBIDDEN or (kind == _STREAMINFO and length != _STREAMINFO_BYTES):
                raise MalformedError
            if kind == _STREAMINFO:
                info = yield at, _STREAMINFO_BYTES
                self._block_samples = int.from_bytes(info[:2])
                self._rate_hz = int.from_bytes(info[10:13]) >> 4
                self._total_samples = int.from_bytes(info[13:18]) & _SAMPLES_MASK
            at += length
        return at

    def _take(self, block: bytes, margin_bytes: int) -> None:
        """Add the next bytes; `margin_bytes` are needed behind a sync to tell whether a frame begins there."""
        held = self._frame_bytes
        held += block
        if self._frame is None:
            self._sync = bytes(held[:2])
            self._frame = _frame(held[:_MOST_HEADER_BYTES])
            if self._sync not in _SYNCS or self._frame is None:
                raise MalformedError
        while (found := held.find(self._sync, self._searched)) >= 0 and found + margin_bytes <= len(held):
            self._searched = found + 1
            frame = _frame(held[found : found + _MOST_HEADER_BYTES])
            if frame is not None and frame.number == self._next_number(self._frame):
                self._frame, self._searched = frame, 1
                del held[:found]
        if found < 0:
            self._searched = max(1, len(held) - 1)
        if len(held) > _MOST_FRAME_BYTES:
            raise MalformedError

    def _next_number(self, frame: _Frame) -> int:
        return frame.number + (1 if self._sync == _SYNCS[0] else frame.samples)

    def conclude(self, size_bytes: int, tail: bytes) -> Structure:
        duration_s = self._total_samples / self._rate_hz if self._total_samples and self._rate_hz else None
        incomplete = self._incomplete(size_bytes, tail)
        return Structure(duration_s=duration_s, incomplete=incomplete, is_cut=incomplete is not None)

    def _incomplete(self, size_bytes: int, tail: bytes) -> str | None:
        try:
            if self._in_frames and not self._lost and tail:
                self._take(tail, 1)
        except MalformedError:
            self._lost = True
        if self._lost:
            return None
        if self._frame is None:
            return f"the file ends at byte {size_bytes:,}, before its first frame"
        return self._cut(self._frame, size_bytes)

    def _cut(self, frame: _Frame, size_bytes: int) -> str | None:
        last = self._frame_bytes
        if last[-_TITLE_BYTES:].startswith(b"TAG"):
            del last[-_TITLE_BYTES:]
        if _checksum(last):
            return f"the file ends at byte {size_bytes:,}, within a frame"
        is_counted = self._sync == _SYNCS[0]
        end = frame.samples + frame.number * (self._block_samples if is_counted else 1)
        if end < self._total_samples:
            return f"the file says it has {self._total_samples:,} samples, its last frame ends with sample {end:,}"
        return None


def _frame(header: bytes | bytearray) -> _Frame | None:
    """Read a frame's header (9.1), which ends with a checksum."""
    if len(header) < 6 or header[3] & 1:
        return None
    size_code, rate_code = header[2] >> 4, header[2] & 15
    number_bytes = max(1, 8 - (header[4] ^ 0xFF).bit_length())  # coded as in UTF-8
    size_at = 4 + number_bytes
    rate_at = size_at + _BLOCK_FIELD_BYTES.get(size_code, 0)
    end = rate_at + _RATE_FIELD_BYTES.get(rate_code, 0)
    if size_code == 0 or len(header) <= end or _header_checksum(header[: end + 1]):
        return None
    number = header[4] & (0x7F if number_bytes == 1 else 0x7F >> number_bytes)
    for byte in header[5:size_at]:
        number = number << 6 | byte & 0x3F
    samples = _BLOCK_SAMPLES.get(size_code) or int.from_bytes(header[size_at:rate_at]) + 1
    return _Frame(number, samples)


def _header_checksum(header: bytes | bytearray) -> int:
    """Return what is 0 for a header that ends with its CRC-8 (9.1.8)."""
    remainder = 0
    for byte in header:
        remainder = _CRC8[remainder ^ byte]
    return remainder


def _checksum(frame: bytearray) -> int:
    """Return what is 0 for a frame that ends with its CRC-16 (9.3), and for that and zeros behind it."""
    remainder = 0
    for byte in frame:
        remainder = (remainder << 8 & 0xFFFF) ^ _CRC16[remainder >> 8 ^ byte]
    return remainder


def _table(bits: int, polynomial: int) -> tuple[int, ...]:
    remainders = []
    for byte in range(256):
        remainder = byte << bits - 8
        for _ in range(8):
            remainder = remainder << 1 ^ (polynomial if remainder >> bits - 1 & 1 else 0)
        remainders.append(remainder & (1 << bits) - 1)
    return tuple(remainders)


_CRC8 = _table(8, 0x07)
_CRC16 = _table(16, 0x8005)
