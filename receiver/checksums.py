"""Digests as this service and S3 write them. Rows, manifests and answers have a CRC64NVME as `crc64nvme:<base64>`, S3's
headers the base64 alone; a digest of another kind is written in base64, and as an ETag (MD5) in hex.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Protocol

from awscrt.checksums import (
    combine_crc32,
    combine_crc32c,
    crc32,
    crc32c,
    crc64nvme,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PREFIX = "crc64nvme:"
_CRC_BYTES = {"crc64nvme": 8, "crc32c": 4, "crc32": 4}
_CRCS: dict[str, Callable[[bytes | bytearray | memoryview, int], int]] = {
    "crc64nvme": crc64nvme,
    "crc32c": crc32c,
    "crc32": crc32,
}
_COMBINED: dict[str, Callable[[int, int, int], int]] = {"crc32c": combine_crc32c, "crc32": combine_crc32}


class Hasher(Protocol):
    """A running digest; `hashlib`'s are such."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _RunningCrc:
    def __init__(self, algorithm: str) -> None:
        self._next = _CRCS[algorithm]
        self._size_bytes = _CRC_BYTES[algorithm]
        self._crc = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        self._crc = self._next(data, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(self._size_bytes, "big")


def hasher(algorithm: str) -> Hasher:
    """Begin a digest: `crc64nvme`, `crc32c`, `crc32`, `sha256` or `md5`."""
    return _RunningCrc(algorithm) if algorithm in _CRCS else hashlib.new(algorithm, usedforsecurity=False)


def base64_of(digest: bytes) -> str:
    """Return a digest as S3's headers have it."""
    return base64.b64encode(digest).decode()


def digest_of(algorithm: str, body: bytes | bytearray) -> str:
    """Return the digest of a body that is held whole, in base64."""
    made = hasher(algorithm)
    made.update(body)
    return base64_of(made.digest())


def laid_end_to_end(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the CRC32 or CRC32C of parts laid end to end from theirs (in base64) and their sizes."""
    total = 0
    for digest, size_bytes in parts:
        total = _COMBINED[algorithm](total, int.from_bytes(base64.b64decode(digest), "big"), size_bytes)
    return base64_of(total.to_bytes(_CRC_BYTES[algorithm], "big"))


def composite(algorithm: str, digests: list[str]) -> str:
    """Return the digest of the parts' digests with how many they are, as S3 tells of an object in parts."""
    return f"{digest_of(algorithm, b''.join(map(base64.b64decode, digests)))}-{len(digests)}"


def etag_of(digest: str) -> str:
    """Return an MD5 in base64, with or without `-N`, as an ETag without its quotes."""
    encoded, dash, count = digest.partition("-")
    return base64.b64decode(encoded).hex() + dash + count


def written(crc: int) -> str:
    """Return a CRC64NVME as rows, manifests and answers have it."""
    return _PREFIX + base64_of(crc.to_bytes(8, "big"))


def read(checksum: str) -> int:
    """Return the CRC of a written checksum."""
    return int.from_bytes(base64.b64decode(for_store(checksum)), "big")


def checksum_of(body: bytes | bytearray) -> str:
    """Return the written checksum of a body that is held whole."""
    return written(crc64nvme(body))


def for_store(checksum: str) -> str:
    """Return a written checksum as a header's value."""
    return checksum.removeprefix(_PREFIX)


def from_store(value: str | None) -> str | None:
    """Return a header's value as a written checksum; a composite one (`…-3`) says nothing about the whole object."""
    return _PREFIX + value if value and "-" not in value else None
