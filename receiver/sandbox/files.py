"""The files behind the download URLs: a head of real bytes, then filler made by offset for as long as the size asks."""

import asyncio
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Literal

from receiver.sandbox.mp4 import file_type, small_mp4
from receiver.sandbox.wire import now

Kind = Literal["mp4", "generated", "webm", "bytes"]

CHUNK = 256 * 1024
BLOCK = 1024 * 1024
STAMP = struct.Struct(">Q")
WHOLE_ETAG_MAX = 8 * 1024 * 1024  # above it the ETag has the form of a multipart upload's
LARGE_BOX = 16  # a box header with a 64-bit size
WEBM_HEAD = bytes.fromhex(
    "1a45dfa39f"  # EBML, 31 bytes
    "42868101 42f78101 42f28104 42f38108 4282847765626d 42878104 42858102"  # DocType webm
    "1853806701ffffffffffffff"  # Segment of unknown size
)


@dataclass
class SandboxFile:
    uid: str
    kind: Kind
    size_bytes: int
    duration_s: float = 0.0
    body: bytes = b""
    version: int = 1
    owners: str = ""  # ids of the meeting and the recording, which a scripted fault may name
    last_modified: datetime = field(default_factory=now)
    bytes_sent: int = 0
    gets: int = 0
    etag: str = ""  # without its quotes
    _name: bytes = b""
    _head: bytes = b""
    _sha256: str | None = None

    def __post_init__(self) -> None:
        self._make()

    def replace(self) -> None:
        """Other bytes of the same size under the same name, as when the vendor writes a file anew."""
        self.version += 1
        self.last_modified = now()
        self._make()

    def _make(self) -> None:
        name = f"{self.uid}#{self.version}".encode()
        self._name = name
        self._head = self._make_head(hashlib.sha256(name).hexdigest().encode())[: self.size_bytes]
        self.etag = self._make_etag()
        self._sha256 = None

    def _make_head(self, label: bytes) -> bytes:
        match self.kind:
            case "mp4":
                return self._mp4_head(label)
            case "generated":
                start = file_type()
                return start + struct.pack(">I4sQ", 1, b"mdat", max(self.size_bytes - len(start), LARGE_BOX))
            case "webm":
                return WEBM_HEAD
            case "bytes":
                return self.body if self.version == 1 else bytes(byte ^ 1 for byte in self.body)

    def _mp4_head(self, label: bytes) -> bytes:
        colour = bytes.fromhex(label[:6].decode())
        spare = self.size_bytes - smallest_mp4()
        if spare < LARGE_BOX:
            return small_mp4(label, colour, self.duration_s, max(spare, 0))
        return small_mp4(label, colour, self.duration_s) + struct.pack(">I4sQ", 1, b"free", spare)

    def _make_etag(self) -> str:
        if self.size_bytes <= WHOLE_ETAG_MAX:
            return hashlib.md5(b"".join(self.read(0, self.size_bytes))).hexdigest()
        parts = -(-self.size_bytes // WHOLE_ETAG_MAX)
        return f"{hashlib.md5(self._name).hexdigest()}-{parts}"

    @property
    def size_mb(self) -> float:
        return round(self.size_bytes / 1_000_000, 2)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from start up to stop, in chunks; every chunk of filler carries its own number."""
        position = start
        while position < stop:
            number, within = divmod(position, CHUNK)
            end = min(stop, (number + 1) * CHUNK)
            yield self._chunk(number, within, within + end - position)
            position = end

    def _chunk(self, number: int, start: int, stop: int) -> bytes:
        first, last = number * CHUNK + start, number * CHUNK + stop
        head = self._head[first:last]
        if len(head) == last - first:
            return head
        stamp = STAMP.pack(number)[start:stop]
        offset = number * CHUNK % BLOCK
        piece = stamp + filler(self._name)[offset + start + len(stamp) : offset + stop]
        return head + piece[len(head) :] if head else piece

    async def sha256(self) -> str:
        """Computed once, in a thread: a large file would stop the loop."""
        if self._sha256 is None:
            self._sha256 = await asyncio.to_thread(self._digest)
        return self._sha256

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.read(0, self.size_bytes):
            digest.update(chunk)
        return digest.hexdigest()


@lru_cache(maxsize=64)
def filler(name: bytes) -> bytes:
    """A block that repeats through the file; kept for the files in use, however many there are."""
    return hashlib.shake_128(name).digest(BLOCK)


@cache
def smallest_mp4() -> int:
    return len(small_mp4(bytes(64), bytes(3), 0.0))


def natural_size(kind: Kind, body: bytes = b"") -> int:
    """Of a file whose size nobody asked for."""
    match kind:
        case "mp4":
            return smallest_mp4()
        case "generated":
            return BLOCK
        case "webm":
            return 4096
        case "bytes":
            return len(body)


class Files:
    """What the bucket holds, by name."""

    def __init__(self) -> None:
        self._files: dict[str, SandboxFile] = {}

    def put(self, file: SandboxFile) -> None:
        self._files[file.uid] = file

    def get(self, uid: str) -> SandboxFile | None:
        return self._files.get(uid)

    def delete(self, uid: str) -> None:
        self._files.pop(uid, None)
