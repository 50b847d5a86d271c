"""What is certainly no recording: documents, pictures, archives, compressed pages and programs, by how they begin."""

from __future__ import annotations

import re
import zlib

_ZEROS_BYTES = 512  # a sector: the least that a storage leaves unwritten; no container begins with that many zeros
_FILLER_BYTES = 16
_TAR_MAGIC = slice(257, 262)
_BEGINNINGS = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"PK\x07\x08", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x1f\x9d", "compress-ed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed data"),
    (b"\xfd7zXZ\0", "xz-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"SQLite format 3\0", "a database"),
    (b"bplist00", "a property list"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"8BPS\0\x01", "a Photoshop picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\x7fELF", "a program"),
    (b"\0asm\x01\0\0\0", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xce\xfa\xed\xfe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
)
# Beginnings of two letters are held against the numbers that follow them, so that media of an unknown kind are kept.
_PATTERNS = tuple(
    (re.compile(pattern, re.DOTALL), what)
    for pattern, what in (
        (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "bzip2-compressed data"),
        (rb"RIFF....WEBP", "a WebP picture"),
        (rb"BM....\0\0\0\0..\0\0[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "a BMP picture"),
        (rb"\0\0\x01\0[\x01-\x20]\0...\0[\0\x01]\0", "an icon"),
        (rb"MZ.{58}.[\0-\x0f]\0\0", "a program"),
    )
)


def refusal(head: bytes) -> str | None:
    """Return what the head is that is no recording in any reading, None if it may be one."""
    for beginning, what in _BEGINNINGS:
        if head.startswith(beginning):
            return what
    for pattern, what in _PATTERNS:
        if pattern.match(head):
            return what
    if head[_TAR_MAGIC] == b"ustar":
        return "a tar archive"
    return "zlib-compressed data" if _is_zlib(head) else None


def filler(head: bytes) -> str | None:
    """Return what the head is filled with if it is what a storage leaves where nothing was written."""
    if head and not any(head[:_ZEROS_BYTES]):
        return "zeros"
    if len(head) >= _FILLER_BYTES and head.count(head[:1]) == len(head):
        return "one byte over and over"
    return None


def _is_zlib(head: bytes) -> bool:
    """Tell a deflated page (RFC 1950): two bytes are no proof, that they and all behind them inflate is one."""
    if len(head) < 8 or head[0] != 0x78 or int.from_bytes(head[:2]) % 31:
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 64))
    except zlib.error:
        return False
