"""How the vendor's fields are read, in webhooks and listings alike: nonsense in an advisory one becomes None."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

MAX_TEXT_CHARS = 8192
MAX_PARTICIPANTS = 10_000
_INT64 = 2**63 - 1
_LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z


def text(value: Any) -> str | None:
    """Read text, without what no database takes, cut to `MAX_TEXT_CHARS`."""
    if not isinstance(value, str):
        return None
    # PostgreSQL takes neither NUL nor lone surrogates
    clean = value.replace("\0", "").encode("utf-8", "replace").decode()
    return clean[:MAX_TEXT_CHARS] or None


def number(value: Any) -> float | None:
    """Read a finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def count(value: Any) -> int | None:
    """Read a whole number that is not negative."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and found <= _INT64 else None


def user_id(value: Any) -> int | None:
    """Read the platform's numeric user id, also where it is written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64 else None


def user_ids(value: Any) -> tuple[int, ...]:
    """Read user ids, each once."""
    items = value[:MAX_PARTICIPANTS] if isinstance(value, list) else []
    return tuple(dict.fromkeys(user for item in items if (user := user_id(item)) is not None))


def time(value: Any) -> datetime | None:
    """Read epoch seconds (`start_date`) or ISO 8601 (`created_at`)."""
    seconds = number(value)
    if seconds is not None:
        return datetime.fromtimestamp(seconds, UTC) if seconds <= _LATEST_S else None
    return iso_time(value)


def iso_time(value: Any) -> datetime | None:
    """Read ISO 8601, as UTC where it names no offset."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
