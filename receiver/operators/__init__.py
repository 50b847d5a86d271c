"""What the operators' JSON API and their page share: who may ask, how a question is read, and what may be done."""

from __future__ import annotations

from receiver.operators.access import Guard, covers, require
from receiver.operators.actions import UNDONE, Actions, OsUser, actor_of
from receiver.operators.downloads import Downloads
from receiver.operators.erasing import EraseActions
from receiver.operators.exports import every_page
from receiver.operators.ids import delivery_id, hold_id, meeting_id, recording_id
from receiver.operators.meetings import FoundMeeting, one_meeting
from receiver.operators.query import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    ExportFormat,
    ExportQuery,
    acts_query,
    deliveries_query,
    export_query,
    holds_query,
    recordings_query,
)

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "UNDONE",
    "Actions",
    "Downloads",
    "EraseActions",
    "ExportFormat",
    "ExportQuery",
    "FoundMeeting",
    "Guard",
    "OsUser",
    "actor_of",
    "acts_query",
    "covers",
    "deliveries_query",
    "delivery_id",
    "every_page",
    "export_query",
    "hold_id",
    "holds_query",
    "meeting_id",
    "one_meeting",
    "recording_id",
    "recordings_query",
    "require",
]
