"""Composition: the only place that reads settings and hands the parts to each other."""

from __future__ import annotations

from receiver.app.audit_log import verify_log
from receiver.app.opening import migrate, utc_now
from receiver.app.pauses import lift_pause
from receiver.app.serving import open_actions, open_catalogue, open_store, serve, work

__all__ = [
    "lift_pause",
    "migrate",
    "open_actions",
    "open_catalogue",
    "open_store",
    "serve",
    "utc_now",
    "verify_log",
    "work",
]
