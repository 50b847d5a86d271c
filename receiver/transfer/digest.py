"""The digests of a file as its bytes pass in order, and the CRC arithmetic that ties its parts to them."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from awscrt.checksums import combine_crc64nvme, crc64nvme

from receiver.checksums import read, written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from receiver.media import Structure, Walker
    from receiver.records import UploadedPart


class RunningDigest:
    """SHA-256 and CRC64NVME of the first `position` bytes; bytes that come a second time are not hashed again.

    The `walker` sees the same bytes: it reads the container's own bookkeeping.
    """

    def __init__(self, walker: Walker | None = None) -> None:
        self.position = 0
        self._walker = walker
        self._sha256 = hashlib.sha256()
        self._crc = 0

    def feed(self, offset: int, chunk: bytes | bytearray | memoryview) -> None:
        """Hash what of `chunk`, which lies at `offset`, was not hashed yet. It may not leave a gap."""
        if offset > self.position:
            raise ValueError(f"bytes at {offset} came before those at {self.position}")
        fresh = chunk[self.position - offset :] if offset < self.position else chunk
        self._sha256.update(fresh)
        self._crc = crc64nvme(fresh, self._crc)
        if self._walker is not None:
            self._walker.feed(fresh)
        self.position += len(fresh)

    @cached_property
    def structure(self) -> Structure | None:
        """What the container says, to be asked for once all bytes have passed; None where its format is not read."""
        return self._walker.finish(self.position) if self._walker is not None else None

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def checksum(self) -> str:
        return written(self._crc)


def combined(parts: Iterable[UploadedPart]) -> str:
    """Return the checksum of the parts laid end to end, from theirs alone."""
    total = 0
    for part in parts:
        crc = read(part.checksum)
        total = combine_crc64nvme(total, crc, part.size_bytes)
    return written(total)
