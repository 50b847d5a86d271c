"""One fixed moment, so that a test's times are its own."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def now() -> datetime:
    """Return the fixed moment."""
    return NOW
