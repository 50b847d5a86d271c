"""What was asked of a figure, and whether it is so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """One of `most` and `least` was asked."""

    figure: str
    value: float
    most: float = float("inf")
    least: float = 0

    @property
    def met(self) -> bool:
        return self.least <= self.value <= self.most

    def __str__(self) -> str:
        asked = f"at most {self.most:g}" if self.least == 0 else f"at least {self.least:g}"
        return f"  {'pass' if self.met else 'FAIL'}  {self.figure}: {self.value:.2f} ({asked})"
