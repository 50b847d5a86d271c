"""Deleting at the source what is archived and proven: whole meetings, since the API deletes nothing less."""

from __future__ import annotations

from receiver.cleanup.cleanup import Cleanup, CleanupReport

__all__ = ["Cleanup", "CleanupReport"]
