"""What the page is made of, and what one request of somebody signed in carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.operators import covers
from receiver.settings import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from receiver.catalogue import Catalogue
    from receiver.operators import Actions, Downloads, Guard
    from receiver.page.sessions import EndedSessions
    from receiver.settings import OpsToken


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """`session_keys` and `ended_sessions` are the same in every process: a session is good in all, or in none."""

    catalogue: Catalogue
    guard: Guard
    actions: Actions
    downloads: Downloads
    session_keys: Callable[[], tuple[bytes, ...]]
    ended_sessions: EndedSessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of an operator who is signed in. `form_key` must come back with each of the visitor's forms."""

    parts: PageParts
    request: Request
    token: OpsToken
    form_key: str

    @property
    def may_act(self) -> bool:
        """Tell whether the visitor's role may change anything."""
        return covers(self.token.role, Role.OPERATOR)
