"""Gone when it must go: what is erased since it was kept long enough (`Retention`)."""

from __future__ import annotations

from receiver.retention.expiry import Erases, Retention

__all__ = ["Erases", "Retention"]
