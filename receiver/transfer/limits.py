"""The bounds of one copy."""

from __future__ import annotations

from dataclasses import dataclass

from receiver.records import Rung

MIB = 1024 * 1024
MAX_PARTS = 9000  # S3 allows 10,000
MIN_PART_BYTES = 5 * MIB  # S3 takes no smaller part but the last
FEW_PARTS = 32
LARGE_PART_BYTES = 128 * MIB
"""A file is cut into few parts while they are not larger than that. Between two, the threads that move bytes wait some
milliseconds for the event loop, and a far store answers each a round trip later: 1 GiB to a store 60 ms away took 1.8 s
in 32 parts and 2.2 in 64. A part that fails is sent again whole."""

MIN_RATE_BYTES_S = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`progress_timeout_s` bounds the wait for one byte, `min_rate_bytes_s` the wait for all of a part.

    A file of at most `small_file_bytes` is held in memory and stored in one request. `pause_s` is the first wait
    before a cut download or a refused part is tried again; it doubles. No part but the last is smaller than
    `part_size_bytes`, and those of large files are larger. `requests_at_once` and `bandwidth_bytes_s`
    (None: no bound) are of all copies together. `min_proof` is the weakest rung that will do.
    """

    max_file_bytes: int
    part_size_bytes: int = 16 * MIB
    part_concurrency: int = 4
    progress_timeout_s: float = 60
    min_rate_bytes_s: int = MIN_RATE_BYTES_S
    small_file_bytes: int = 2 * MIB
    max_redirects: int = 3
    pause_s: float = 0.5
    requests_at_once: int = 32
    bandwidth_bytes_s: int | None = None
    min_proof: Rung = Rung.READ_BACK

    def part_size(self, file_bytes: int, most_parts: int = MAX_PARTS) -> int:
        """Return the size of every part but the last, so that no file has more parts than S3, or this store, allows."""
        few = min(LARGE_PART_BYTES, -(-file_bytes // FEW_PARTS))
        return max(MIN_PART_BYTES, self.part_size_bytes, few, -(-file_bytes // min(MAX_PARTS, most_parts)))

    def deadline_s(self, size_bytes: int) -> float:
        """Return the longest that moving so many bytes may take."""
        return self.progress_timeout_s + size_bytes / self.min_rate_bytes_s
