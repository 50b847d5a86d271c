"""Backoff: how long to wait before asking again, as `Retry-After` says or longer after each try."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date. None where it is absent or nonsense."""
    try:
        seconds = float(value or "")
    except ValueError:
        return _seconds_until(value or "", now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_until(value: str, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def growing_pause_s(tries: int, first_s: float, most_s: float = math.inf) -> float:
    """Return the pause after so many tries: none before the first, `first_s` after it, then twice the last one."""
    return min(most_s, first_s * 2.0 ** min(tries - 1, 32)) if tries > 0 else 0.0
