"""The platform's users, made beforehand or by their first login."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.ids import Ids
from receiver.sandbox.wire import field_error, now, stamp_s


@dataclass
class User:
    object_id: str
    id: int
    login: str | None
    email: str | None
    password: str | None
    full_name: str | None = None
    is_guest: bool | None = None
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    last_request_at: datetime = field(default_factory=now)

    def wire(self) -> dict[str, Any]:
        return {
            "_id": self.object_id,
            "id": self.id,
            "created_at": stamp_s(self.created_at),
            "updated_at": stamp_s(self.updated_at),
            "last_request_at": stamp_s(self.last_request_at),
            "login": self.login,
            "full_name": self.full_name,
            "timezone": None,
            "email": self.email,
            "phone": None,
            "website": None,
            "twitter_id": None,
            "external_user_id": None,
            "facebook_id": None,
            "custom_data": None,
            "user_tags": None,
            "avatar": None,
            "external_id": None,
            "is_guest": self.is_guest,
        }


class Users:
    def __init__(self, config: SandboxConfig, ids: Ids) -> None:
        self._ids = ids
        self._by_id: dict[int, User] = {}
        bot = User(
            ids.object_id(),
            config.user_id,
            config.user_login,
            config.user_email,
            config.user_password,
            full_name="Archive Bot",
        )
        self._by_id[bot.id] = bot

    def find(self, *, login: str | None = None, email: str | None = None) -> User | None:
        for user in self._by_id.values():
            if (login and user.login == login) or (email and user.email == email):
                return user
        return None

    def create(self, login: str | None, email: str | None, password: str) -> User:
        user = User(self._ids.object_id(), self._ids.user_id(), login, email, password)
        self._by_id[user.id] = user
        return user

    def create_guest(self, full_name: str | None) -> User:
        """A guest has no password, so cannot log in again."""
        login = f"guest_login_{self._ids.token()[:36]}"
        user = User(self._ids.object_id(), self._ids.user_id(), login, None, None, full_name, is_guest=True)
        self._by_id[user.id] = user
        return user

    def named_by(self, user_id: Any) -> User:
        """The host that an admin names; a form sends the number as text."""
        if user_id is None or user_id == "":
            raise field_error("user_id", "cannot be blank")
        if not str(user_id).isdecimal():
            raise field_error("user_id", "is invalid")
        return self.get_or_invent(int(user_id))

    def get_or_invent(self, user_id: int) -> User:
        """A host or attendee who never logged in here still has a name and an e-mail address."""
        if user_id not in self._by_id:
            self._by_id[user_id] = User(
                self._ids.object_id(),
                user_id,
                f"user-{user_id}",
                f"user-{user_id}@example.com",
                None,
                full_name=f"User {user_id}",
            )
        return self._by_id[user_id]
