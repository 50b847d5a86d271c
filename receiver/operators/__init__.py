"""What the operators' JSON API and their page share: who may ask, how a question is read, and what may be done."""

from __future__ import annotations

from receiver.operators.access import Guard, covers, require
from receiver.operators.actions import Actions, OsUser, actor_of
from receiver.operators.downloads import Downloads
from receiver.operators.ids import delivery_id, recording_id
from receiver.operators.query import acts_query, deliveries_query, recordings_query

__all__ = [
    "Actions",
    "Downloads",
    "Guard",
    "OsUser",
    "actor_of",
    "acts_query",
    "covers",
    "deliveries_query",
    "delivery_id",
    "recording_id",
    "recordings_query",
    "require",
]
