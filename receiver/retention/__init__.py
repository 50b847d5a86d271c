"""Kept as long as it must be, gone when it must go.

What is erased since it was kept long enough (`Retention`), and which objects the bucket itself locks (`ObjectLocks`).
"""

from __future__ import annotations

from receiver.retention.expiry import Erases, Retention
from receiver.retention.locks import ObjectLocks

__all__ = ["Erases", "ObjectLocks", "Retention"]
