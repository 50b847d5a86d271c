"""Bars of a chart, drawn by the server: a policy that allows no inline style allows SVG's own attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from receiver.catalogue.overview import Day

WIDTH, HEIGHT = 560, 150
"""Units of the drawing, which grows and shrinks with the page."""
_TOP, _BOTTOM, _GAP = 22, 24, 0.28


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One day. `label` stands below every other one, `said` is what it tells; one that is not there has no height."""

    x: float
    y: float
    width: float
    height: float
    label: str
    said: str
    value: str
    is_labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`top` is what the dashed line at the height of the greatest value stands for."""

    name: str
    unit: str
    top: str
    bars: tuple[Bar, ...]


def charts(days: Sequence[Day]) -> tuple[Chart, Chart]:
    """Return what was archived a day, and how long it took."""
    return (
        _chart("Recordings archived a day", "Recordings", days, [float(day.recordings) for day in days], _number),
        _chart("From first sight to archived, median of a day", "Lag", days, [day.lag_s for day in days], figures.span),
    )


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _chart(
    name: str, unit: str, days: Sequence[Day], values: Sequence[float | None], shown: Callable[[float], str]
) -> Chart:
    top = max((value for value in values if value is not None), default=0.0)
    step = WIDTH / len(days)
    bars = []
    for n, (day, value) in enumerate(zip(days, values, strict=True)):
        # what is there at all is seen, however small it is beside the others
        height = max(2.0, (HEIGHT - _TOP - _BOTTOM) * value / top) if value and top else 0.0
        text = "-" if value is None else shown(value)
        bars.append(
            Bar(
                x=round(step * (n + _GAP / 2), 1),
                y=round(HEIGHT - _BOTTOM - height, 1),
                width=round(step * (1 - _GAP), 1),
                height=round(height, 1),
                label=f"{day.date:%d %b}".lstrip("0"),
                said=f"{day.date:%Y-%m-%d}: {text}",
                value=text,
                is_labelled=(len(days) - 1 - n) % 2 == 0,
            )
        )
    return Chart(name=name, unit=unit, top=shown(top), bars=tuple(bars))
