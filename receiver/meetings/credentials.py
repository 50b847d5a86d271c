"""The three ways to be somebody at the Meetings API. No `repr` shows a secret."""

from __future__ import annotations

from dataclasses import dataclass, field


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
