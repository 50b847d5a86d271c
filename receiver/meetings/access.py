"""The three ways to be somebody at the Meetings API, and how a request proves it. No `repr` shows a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.meetings.answer import ApiAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminKey:
    """The account's administration key (paid plans): may list the recordings of every meeting."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticToken:
    """A session token that somebody else keeps alive."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLogin:
    """A user of the application, by `login` or `email`; sees the meetings it hosts or attends.

    With `auth_secret` the login is signed. `expected_user_id` guards against a mistyped login, for which the platform
    may create a new, empty user.
    """

    app_id: int
    auth_key: str = field(repr=False)
    auth_secret: str | None = field(default=None, repr=False)
    login: str | None = None
    email: str | None = None
    password: str = field(repr=False)
    expected_user_id: int | None = None


Credentials = AdminKey | StaticToken | UserLogin


class Access(Protocol):
    """`path` is the recordings listing's, without the meeting; `setting` is where an operator would look.

    `meetings_path` is None where the API has no listing of meetings for these credentials. `user_id` is whose session a
    login opened, as far as the API told.
    """

    @property
    def header(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def meetings_path(self) -> str | None: ...
    @property
    def setting(self) -> str: ...
    @property
    def user_id(self) -> int | None: ...

    async def secret(self) -> str:
        """Return the header's value."""

    async def replaced(self, refused: str) -> str | None:
        """Return another value after a 401, or None where there is no other."""

    def used(self, secret: str, answer: ApiAnswer) -> None:
        """Note a request that was answered well."""

    async def close(self) -> None:
        """End what is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedAccess:
    """A secret that was configured, and can be replaced only where it was."""

    header: str
    path: str
    meetings_path: str | None
    setting: str
    value: Callable[[], str]
    user_id: int | None = None

    async def secret(self) -> str:
        return self.value()

    async def replaced(self, refused: str) -> str | None:
        value = self.value()
        return None if value == refused else value

    def used(self, secret: str, answer: ApiAnswer) -> None:
        pass

    async def close(self) -> None:
        pass
