"""How requests prove who asks: which header, which path, and what to do when the API says 401."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from receiver.meetings.credentials import AdminKey, StaticToken, UserLogin
from receiver.meetings.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.meetings.credentials import Credentials
    from receiver.meetings.http_client import Answer, Wire


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

    def used(self, secret: str, answer: Answer) -> None:
        """Note a request that was answered well."""

    async def close(self) -> None:
        """End what is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedAccess:
    """A secret that was configured; only whoever configures it can replace it."""

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

    def used(self, secret: str, answer: Answer) -> None:
        pass

    async def close(self) -> None:
        pass


def access_for(current: Callable[[], Credentials], wire: Wire) -> Access:
    credentials = current()
    match credentials:
        case AdminKey():
            path, setting = "/admin/meetings/recordings/", "RECEIVER_API_ADMIN_KEY"
            header = "CB-Administration-API-Key"
            return FixedAccess(header=header, path=path, meetings_path=None, setting=setting, value=_fixed(current))
        case StaticToken():
            path, setting = "/meetings/recordings/", "RECEIVER_API_TOKEN"
            value = _fixed(current)
            return FixedAccess(header="CB-Token", path=path, meetings_path="/meetings", setting=setting, value=value)
        case UserLogin():
            return Session(wire, _login(current))
    assert_never(credentials)


def _fixed(current: Callable[[], Credentials]) -> Callable[[], str]:
    def value() -> str:
        credentials = current()
        assert not isinstance(credentials, UserLogin)  # noqa: S101  (they are always of one kind)
        return credentials.key if isinstance(credentials, AdminKey) else credentials.token

    return value


def _login(current: Callable[[], Credentials]) -> Callable[[], UserLogin]:
    def value() -> UserLogin:
        credentials = current()
        assert isinstance(credentials, UserLogin)  # noqa: S101  (they are always of one kind)
        return credentials

    return value
