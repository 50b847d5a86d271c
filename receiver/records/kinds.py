"""Ids and enums."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NewType, TypeGuard

RecordingId = NewType("RecordingId", str)
MeetingId = NewType("MeetingId", str)
DeliveryId = NewType("DeliveryId", str)
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
_ID = re.compile(ID_PATTERN)


def is_id(value: object) -> TypeGuard[str]:
    """Tell whether a value can be an id of the vendor's or ours."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class State(StrEnum):
    """Where a recording stands. `receiver.lifecycle` holds the only table of allowed changes."""

    PENDING = "pending"
    ARCHIVING = "archiving"
    WAITING = "waiting"
    ARCHIVED = "archived"
    FAILED = "failed"
    MISSING = "missing"
    CANCELLED = "cancelled"
    ERASED = "erased"


class Via(StrEnum):
    """How a recording was first seen."""

    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    BACKFILL = "backfill"
    REINDEX = "reindex"


class Fixity(StrEnum):
    """How an archived object was found when it, and its manifest, were read again."""

    INTACT = "intact"
    DAMAGED = "damaged"
    """Other bytes came than were archived, or the manifest says other things than the row."""
    MISSING = "missing"
    """The store says that there is no such object, version or manifest."""
    UNREADABLE = "unreadable"
    """The store fails again and again to give it out, while it gives out others."""


class UrlOrigin(StrEnum):
    """Who named a download URL: the API on our question, or the unauthenticated POST."""

    API = "api"
    PAYLOAD = "payload"


class DeliveryStatus(StrEnum):
    """`partial`: some records of the delivery were rejected; `rejected`: nothing of it could be used."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REJECTED = "rejected"
