"""Peak memory of the service, and that it does not grow with the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.transfer.bounds import Bound

if TYPE_CHECKING:
    from tests.bench.transfer.loads import Load
    from tests.bench.transfer.receivers import Receiver

MOST_RSS_MB, MOST_GROWTH_MB = 140, 10


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak memory by part size and by recordings at once; every round must stay below the bound."""

    load: Load
    receiver: Receiver
    part_sizes_mb: tuple[int, ...] = (8, 64)
    concurrencies: tuple[int, ...] = (1, 8)

    async def run(self, rounds: int) -> list[Bound]:
        bounds = []
        for part_size_mb in self.part_sizes_mb:
            for concurrency in self.concurrencies:
                settings = {"PART_SIZE_MB": str(part_size_mb), "CONCURRENCY": str(concurrency)}
                receiver = replace(self.receiver, settings=settings)
                load = replace(self.load, files=concurrency)
                peak_mb = max([(await receiver.measure(load)).usage.peak_rss_mb for _ in range(rounds)])
                bounds.append(
                    Bound(f"peak RSS MB, parts of {part_size_mb} MB, {concurrency} at once", peak_mb, MOST_RSS_MB)
                )
        return bounds


@dataclass(frozen=True, slots=True)
class Growth:
    """How much more memory a long file takes than a short one; once, for it is no timing."""

    short: Load
    long: Load
    receiver: Receiver

    async def run(self, _rounds: int) -> list[Bound]:
        peaks_mb = [(await self.receiver.measure(load)).usage.peak_rss_mb for load in (self.short, self.long)]
        for load, peak_mb in zip((self.short, self.long), peaks_mb, strict=True):
            print(f"  peak RSS {peak_mb:.1f} MB over {load.size_bytes / 1e6:.0f} MB")
        return [Bound("growth of peak RSS, MB", peaks_mb[1] - peaks_mb[0], MOST_GROWTH_MB)]
