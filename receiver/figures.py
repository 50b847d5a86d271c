"""How figures are written for people, in commands and on the page: times, sizes, lengths of time, progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.progress import Transfer


def moment(value: datetime | None) -> str:
    """Write a time in UTC to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if value is not None else "-"


def size(size_bytes: int | None) -> str:
    """Write a size in decimal units, as disks and bills count."""
    if size_bytes is None:
        return "-"
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float) -> str:
    """Write a length of time as `m:ss` or `h:mm:ss`."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def span(seconds: float) -> str:
    """Write a length of time in its one or two greatest units, rounded down: `3 d 4 h`, `12 min`, `1 min 8 s`."""
    s = int(max(0.0, seconds))
    if s < 60:
        return f"{s} s"
    if s < 600:
        return _two(s, 60, "min", 1, "s")
    if s < 3600:
        return f"{s // 60} min"
    if s < 86_400:
        return _two(s, 3600, "h", 60, "min")
    return _two(s, 86_400, "d", 3600, "h")


def ago(seconds: float) -> str:
    """Write how long ago something was, to the minute: that is as exact as anybody needs it who looks at a page."""
    return f"{span(seconds if seconds < 60 else seconds // 60 * 60)} ago"


def _two(s: int, great_s: int, great: str, small_s: int, small: str) -> str:
    rest = s % great_s // small_s
    return f"{s // great_s} {great}" + (f" {rest} {small}" if rest else "")


def progress(transfer: Transfer) -> str:
    """Write how far an upload is, and while a run sends, its rate and the time left; 100 % only when all is there.

    Of what is read back to prove it: how much of it was.
    """
    if transfer.read_back_bytes is not None:
        return f"sent, {size(transfer.read_back_bytes)} of {size(transfer.size_bytes)} read back"
    shown = f"{transfer.bytes_done * 100 // transfer.size_bytes} % of {size(transfer.size_bytes)}"
    if transfer.rate_bytes_s is not None and transfer.eta_s is not None:
        shown += f", {size(round(transfer.rate_bytes_s))}/s, {duration(transfer.eta_s)} left"
    return shown
