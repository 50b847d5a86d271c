"""What is copied: one file of a size, so many times, each time as a recording or key of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from receiver.sandbox.mp4 import small_mp4

_LARGE_BOX_HEAD_BYTES = 16
ONE_BYTE = "one-byte"


@dataclass(frozen=True, slots=True)
class Load:
    """`files` copies of one file; its name tells its size."""

    size_bytes: int
    files: int

    @property
    def name(self) -> str:
        return ONE_BYTE if self.size_bytes == 1 else f"{self.size_bytes}.mp4"

    @property
    def gib(self) -> float:
        return self.size_bytes * self.files / 2**30

    def urls(self, source_url: str) -> list[str]:
        """Return a URL for each copy."""
        return [f"{source_url}/{self.name}?copy={number}" for number in range(self.files)]

    def write(self, folder: Path) -> None:
        """Make the file: a small MP4, then a box that covers the rest, which takes no room on the disk."""
        folder.mkdir(exist_ok=True)
        path = folder / self.name
        if self.size_bytes == 1:
            path.write_bytes(b"1")
            return
        head = small_mp4(b"bench", b"abc", 1.0)
        rest_bytes = self.size_bytes - len(head)
        assert rest_bytes >= _LARGE_BOX_HEAD_BYTES
        with path.open("wb") as file:
            file.write(head + struct.pack(">I4sQ", 1, b"mdat", rest_bytes))
            file.truncate(self.size_bytes)

    def warm(self, folder: Path) -> None:
        """Read the file once, or whoever is measured first pays for bringing it into memory: half of 4 GB's time."""
        with (folder / self.name).open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
