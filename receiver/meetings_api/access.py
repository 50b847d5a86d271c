"""How requests prove who asks: which header, which path, and what to do when the API says 401."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from receiver.meetings_api.credentials import AdminKey, StaticToken, UserLogin
from receiver.meetings_api.session import Session

if TYPE_CHECKING:
    from receiver.meetings_api.credentials import Credentials
    from receiver.meetings_api.wire import Answer, Wire


class Access(Protocol):
    """`path` is the recordings listing's, without the meeting; `setting` is where an operator would look.

    `meetings_path` is None where the API has no listing of meetings for these credentials.
    """

    @property
    def header(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def meetings_path(self) -> str | None: ...
    @property
    def setting(self) -> str: ...

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
    """A secret that was configured and cannot be renewed."""

    header: str
    path: str
    meetings_path: str | None
    setting: str
    value: str = field(repr=False)

    async def secret(self) -> str:
        return self.value

    async def replaced(self, refused: str) -> str | None:  # noqa: ARG002
        return None

    def used(self, secret: str, answer: Answer) -> None:
        pass

    async def close(self) -> None:
        pass


def access_for(credentials: Credentials, wire: Wire) -> Access:
    match credentials:
        case AdminKey(key=key):
            path, setting = "/admin/meetings/recordings/", "RECEIVER_API_ADMIN_KEY"
            header = "CB-Administration-API-Key"
            return FixedAccess(header=header, path=path, meetings_path=None, setting=setting, value=key)
        case StaticToken(token=token):
            path, setting = "/meetings/recordings/", "RECEIVER_API_TOKEN"
            return FixedAccess(header="CB-Token", path=path, meetings_path="/meetings", setting=setting, value=token)
        case UserLogin():
            return Session(wire, credentials)
    assert_never(credentials)
