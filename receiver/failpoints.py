"""Named moments of a delivery, a run and an erasure at which a test ends the process as a power cut would.

Inert, at the price of one comparison, unless the environment variable `FAILPOINT` names one before the start.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum


class Failpoint(StrEnum):
    """Each is reached right after what it names, before anything that follows."""

    DELIVERY_COMMITTED = "delivery_committed"
    CLAIMED = "claimed"
    URL_REFRESHED = "url_refreshed"
    UPLOAD_OPENED = "upload_opened"
    UPLOAD_NOTED = "upload_noted"
    PART_STORED = "part_stored"
    PART_NOTED = "part_noted"
    OBJECT_STORED = "object_stored"
    MANIFEST_STORED = "manifest_stored"
    ARCHIVED = "archived"


class ErasurePoint(StrEnum):
    """The same of an erasure."""

    BEGUN = "erasure_begun"
    BODIES_REWRITTEN = "bodies_rewritten"
    TOMBSTONE_STORED = "tombstone_stored"
    VERSION_DELETED = "version_deleted"
    VERSIONS_GONE = "versions_gone"
    ERASED = "erased"


_wanted = os.environ.get("FAILPOINT")


def reach(point: Failpoint | ErasurePoint) -> None:
    """Kill the process where the environment asked for it here."""
    if point == _wanted:
        os.kill(os.getpid(), signal.SIGKILL)
