"""Kept as long as it must be, gone when it must go.

What is erased on request (`Erasure`, `PersonErasure`) or since it was kept long enough (`Retention`), and which objects
the bucket itself locks (`ObjectLocks`).
"""

from __future__ import annotations

from receiver.retention.bodies import Redaction
from receiver.retention.erasure import Erasure, check_reason
from receiver.retention.expiry import Erases, Retention
from receiver.retention.locks import ObjectLocks
from receiver.retention.persons import PersonErasure

__all__ = ["Erases", "Erasure", "ObjectLocks", "PersonErasure", "Redaction", "Retention", "check_reason"]
