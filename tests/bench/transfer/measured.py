"""What a contender's copies of a load cost, with its start-up as a share of its own."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.transfer.loads import Load
    from tests.bench.transfer.usage import Usage


@dataclass(frozen=True, slots=True)
class Measured:
    """`start` is what one start takes, `starts` how many of them `usage` includes."""

    load: Load
    usage: Usage
    start: Usage
    starts: int

    @property
    def cpu_s_gib(self) -> float:
        """CPU seconds for a GiB, starts apart."""
        return (self.usage.cpu_s - self.starts * self.start.cpu_s) / self.load.gib

    @property
    def wall_s(self) -> float:
        """Seconds from the first byte asked for to the last copy done, starts apart."""
        return self.usage.wall_s - self.starts * self.start.wall_s

    @property
    def files_s(self) -> float:
        """Files a second, starts apart."""
        return self.load.files / self.wall_s

    @property
    def files_s_with_starts(self) -> float:
        return self.load.files / self.usage.wall_s


def median(rounds: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """Return the median of a figure over the rounds."""
    return statistics.median(figure(measured) for measured in rounds)
