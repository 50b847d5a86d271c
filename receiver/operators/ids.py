"""Ids as they stand in paths and queries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from receiver.errors import NotFoundError
from receiver.records import DeliveryId, RecordingId

if TYPE_CHECKING:
    from starlette.requests import Request

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(text: str) -> bool:
    """Tell whether `text` can be an id of the vendor's or ours."""
    return _ID.fullmatch(text) is not None


def recording_id(request: Request) -> RecordingId:
    """Return the path's recording id; raises `NotFoundError` for text that no id can be."""
    return RecordingId(_path_id(request, "recording"))


def delivery_id(request: Request) -> DeliveryId:
    """Return the path's delivery id; raises `NotFoundError` for text that no id can be."""
    return DeliveryId(_path_id(request, "delivery"))


def _path_id(request: Request, what: str) -> str:
    given: str = request.path_params["id"]
    if not is_id(given):
        raise NotFoundError(f"there is no such {what}: an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    return given
