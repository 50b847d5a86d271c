"""What the API is made of, and what one admitted request carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from receiver.api.probes import ProbeParts
    from receiver.catalogue import Catalogue
    from receiver.operators import Actions, Downloads, EraseActions, Guard
    from receiver.settings import OpsToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the handlers share."""

    catalogue: Catalogue
    guard: Guard
    actions: Actions
    downloads: Downloads
    erasing: EraseActions
    probes: ProbeParts


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of an operator whose token was good for it."""

    parts: ApiParts
    request: Request
    token: OpsToken
