"""What the API is made of, and what one admitted request carries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.errors import NotFoundError
from receiver.records import DeliveryId, Recording, RecordingId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from starlette.requests import Request

    from receiver.catalogue import Catalogue
    from receiver.settings import OpsToken

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """`tokens` gives those now valid; `presign` a URL good for at most 15 minutes.

    `ready` raises `ReceiverError` when it cannot store.
    """

    catalogue: Catalogue
    tokens: Callable[[], tuple[OpsToken, ...]]
    presign: Callable[[Recording], Awaitable[str]]
    wake: Callable[[], None]
    ready: Callable[[], Awaitable[None]]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of an operator whose token was good for it."""

    parts: ApiParts
    request: Request
    token: OpsToken

    @property
    def recording_id(self) -> RecordingId:
        """The path's recording id; raises `NotFoundError` for text that no id can be."""
        return RecordingId(_path_id(self.request, "recording"))

    @property
    def delivery_id(self) -> DeliveryId:
        """The path's delivery id; raises `NotFoundError` for text that no id can be."""
        return DeliveryId(_path_id(self.request, "delivery"))


def is_id(text: str) -> bool:
    """Tell whether `text` can be an id of the vendor's or ours."""
    return _ID.fullmatch(text) is not None


def _path_id(request: Request, what: str) -> str:
    given: str = request.path_params["id"]
    if not is_id(given):
        raise NotFoundError(f"there is no such {what}: an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    return given
