"""Ids as they stand in paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from receiver.errors import NotFoundError
from receiver.records import DeliveryId, HoldId, MeetingId, RecordingId, is_id

if TYPE_CHECKING:
    from starlette.requests import Request


def recording_id(request: Request) -> RecordingId:
    """Return the path's recording id; raises `NotFoundError` for text that no id can be."""
    return RecordingId(_path_id(request, "recording"))


def delivery_id(request: Request) -> DeliveryId:
    """Return the path's delivery id; raises `NotFoundError` for text that no id can be."""
    return DeliveryId(_path_id(request, "delivery"))


def meeting_id(request: Request) -> MeetingId:
    """Return the path's meeting id; raises `NotFoundError` for text that no id can be."""
    return MeetingId(_path_id(request, "meeting"))


def hold_id(request: Request) -> HoldId:
    """Return the path's hold id; raises `NotFoundError` for text that no id can be."""
    given: str = request.path_params["id"]
    if re.fullmatch(r"[1-9][0-9]{0,17}", given) is None:
        raise NotFoundError("there is no such hold: an id is a whole number")
    return HoldId(int(given))


def _path_id(request: Request, what: str) -> str:
    given: str = request.path_params["id"]
    if not is_id(given):
        raise NotFoundError(f"there is no such {what}: an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    return given
