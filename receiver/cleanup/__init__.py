"""Deleting at the source what is archived and proven: whole meetings, since the API deletes nothing less."""

from __future__ import annotations

from receiver.cleanup.cleaner import Cleaner, Report

__all__ = ["Cleaner", "Report"]
