"""What the page is made of, and what one request of somebody signed in carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from receiver.operators import covers
from receiver.settings import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from receiver.catalogue import Catalogue, Overviews
    from receiver.operators import Actions, Downloads, EraseActions, Guard
    from receiver.page.sessions import EndedSessions
    from receiver.records import RetentionPeriod
    from receiver.settings import OpsToken


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParts:
    """`session_keys` and `ended_sessions` are the same in every process: a session is good in all, or in none.

    `document` returns the API's description (OpenAPI), `period` says when recordings expire.
    """

    catalogue: Catalogue
    overviews: Overviews
    guard: Guard
    actions: Actions
    downloads: Downloads
    erasing: EraseActions
    session_keys: Callable[[], tuple[bytes, ...]]
    ended_sessions: EndedSessions
    document: Callable[[], Mapping[str, Any]]
    period: RetentionPeriod | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of an operator who is signed in. `form_key` must come back with each of the visitor's forms.

    `form` are the fields of the one that was sent.
    """

    parts: PageParts
    request: Request
    token: OpsToken
    form_key: str
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_act(self) -> bool:
        """Tell whether the visitor's role may change anything."""
        return covers(self.token.role, Role.OPERATOR)

    @property
    def may_erase(self) -> bool:
        """Tell whether the visitor's role may erase."""
        return covers(self.token.role, Role.ADMIN)
