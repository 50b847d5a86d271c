"""CRC64NVME as this service writes it, `crc64nvme:<base64>`, and as S3's headers have it: the base64 alone."""

from __future__ import annotations

import base64

from awscrt.checksums import crc64nvme

_PREFIX = "crc64nvme:"


def written(crc: int) -> str:
    """Return a CRC as rows, manifests and answers have it."""
    return _PREFIX + base64.b64encode(crc.to_bytes(8, "big")).decode()


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
