"""What the API is made of, and what one admitted request carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from receiver.catalogue import Catalogue
    from receiver.operators import Actions, Downloads, Guard
    from receiver.settings import OpsToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """`ready` raises `ReceiverError` when it cannot store."""

    catalogue: Catalogue
    guard: Guard
    actions: Actions
    downloads: Downloads
    ready: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of an operator whose token was good for it."""

    parts: ApiParts
    request: Request
    token: OpsToken
