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
    def wall_s_file(self) -> float:
        """Seconds for a file, starts apart."""
        return self.wall_s / self.load.files

    @property
    def whole_s_file(self) -> float:
        """Seconds for a file, starts included."""
        return self.usage.wall_s / self.load.files


def median(rounds: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """Return the median of a figure over the rounds."""
    return statistics.median(figure(measured) for measured in rounds)
