"""Logins and their tokens, by the vendor's rules."""

import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.ids import Ids
from receiver.sandbox.users import User, Users
from receiver.sandbox.wire import (
    Parameters,
    RefusedRequestError,
    base_error,
    field_error,
    invalid,
    now,
    plain_error,
    stamp_s,
)

BodyT = TypeVar("BodyT", bound=BaseModel)

CLOCK_TOLERANCE_S = 3600
GUEST_LIFETIME_S = 86_400


class CredentialsBody(BaseModel):
    login: str | None = None
    email: str | None = None
    password: str | None = None
    guest: bool | None = None
    full_name: str | None = None


class SessionBody(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    application_id: int
    auth_key: str = Field(min_length=1)
    timestamp: int | None = None
    nonce: str | None = None
    signature: str | None = None
    user: CredentialsBody | None = None


@dataclass
class SandboxSession:
    id: int
    object_id: str
    application_id: int
    token: str
    user: User | None
    expires_at: float
    ts: int
    nonce: str | None = None
    created_at: datetime = field(default_factory=now)

    def wire(self) -> dict[str, Any]:
        made = stamp_s(self.created_at)
        return {
            "_id": self.object_id,
            "id": self.id,
            "application_id": self.application_id,
            "token": self.token,
            "nonce": self.nonce,
            "ts": self.ts,
            "created_at": made,
            "updated_at": made,
            "user_id": self.user.id if self.user else 0,
            "user": self.user.wire() if self.user else None,
        }

    def expiry(self) -> str:
        """As the `CB-Token-ExpirationDate` of every answer writes it."""
        return datetime.fromtimestamp(self.expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def session_signature(parameters: Parameters, secret: str) -> str:
    """Of the older, signed form: parameters sorted by name, the user's ones written `user[login]`."""
    pairs = sorted(_flat({name: value for name, value in parameters.items() if name != "signature"}))
    line = "&".join(f"{name}={value}" for name, value in pairs)
    return hmac.new(secret.encode(), line.encode(), hashlib.sha1).hexdigest()


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        full = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from _flat(value, full)
        else:
            yield full, str(value)


class Sessions:
    """Tokens, and what the vendor checks before it gives one."""

    def __init__(self, config: SandboxConfig, users: Users, ids: Ids) -> None:
        self._config = config
        self._users = users
        self._ids = ids
        self._sessions: dict[str, SandboxSession] = {}
        self._seen: set[tuple[int, str]] = set()

    def create(self, parameters: Parameters) -> SandboxSession:
        body = _parse(SessionBody, parameters)
        self._check(body, parameters)
        user = self._session_user(body.user) if body.user else None
        if body.timestamp is not None and body.nonce is not None:
            self._seen.add((body.timestamp, body.nonce))
        seconds = time.time()
        guest = user is not None and user.is_guest
        session = SandboxSession(
            id=self._ids.session_id(),
            object_id=self._ids.object_id(),
            application_id=body.application_id,
            token=self._ids.token(),
            user=user,
            expires_at=seconds + (GUEST_LIFETIME_S if guest else self._config.token_lifetime_s),
            ts=int(seconds) if body.timestamp is None else body.timestamp,
            nonce=body.nonce,
        )
        self._sessions[session.token] = session
        return session

    def _check(self, body: SessionBody, parameters: Parameters) -> None:
        if body.application_id != self._config.app_id or body.auth_key != self._config.auth_key:
            raise plain_error(404, "No application found")
        if body.timestamp is not None and abs(time.time() - body.timestamp) > CLOCK_TOLERANCE_S:
            raise base_error(422, "Bad timestamp")
        if body.signature is not None:
            if body.timestamp is None:
                raise field_error("timestamp", "cannot be blank")
            if not body.nonce:
                raise field_error("nonce", "cannot be blank")
            expected = session_signature(parameters, self._config.auth_secret)
            if not hmac.compare_digest(expected.encode(), body.signature.encode()):
                raise base_error(422, "Unexpected signature")
        if (body.timestamp, body.nonce) in self._seen:
            raise field_error("nonce", "has already been used with this timestamp")

    def _session_user(self, given: CredentialsBody) -> User:
        """Unknown credentials make a user and each guest is a new one, unless the account denies both."""
        if given.guest and self._config.create_users:
            return self._users.create_guest(given.full_name)
        if given.guest:
            raise plain_error(401, "Unauthorized")
        return self._user(given, create=self._config.create_users)

    def _user(self, given: CredentialsBody, *, create: bool) -> User:
        if not given.login and not given.email:
            raise field_error("login", "cannot be blank")
        if not given.password:
            raise field_error("password", "cannot be blank")
        user = self._users.find(login=given.login, email=given.email)
        if user is None and create:
            return self._users.create(given.login, given.email, given.password)
        if user is None or user.password != given.password:
            raise plain_error(401, "Unauthorized")
        return user

    def log_in(self, session: SandboxSession, parameters: Parameters) -> User:
        """Makes the session a known user's. Unlike a new session, it makes no user."""
        session.user = self._user(_parse(CredentialsBody, parameters), create=False)
        return session.user

    def log_out(self, session: SandboxSession) -> None:
        """The session stays, without a user."""
        session.user = None

    def use(self, token: str | None) -> SandboxSession:
        """Finds the session of a request and prolongs it; a guest's ends when its day is over."""
        if not token:
            raise plain_error(401, "Token is required")
        session = self._sessions.get(token)
        if session is None or session.expires_at <= time.time():
            self._sessions.pop(token, None)
            raise lost_session()
        if session.user is None or not session.user.is_guest:
            session.expires_at = time.time() + self._config.token_lifetime_s
        if session.user is not None:
            session.user.last_request_at = now()
        return session

    def drop(self, token: str) -> None:
        self._sessions.pop(token, None)

    def drop_of(self, user: User) -> None:
        self._sessions = {token: one for token, one in self._sessions.items() if one.user is not user}


def lost_session() -> RefusedRequestError:
    return base_error(401, "Required session does not exist")


def _parse(model: type[BodyT], parameters: Parameters) -> BodyT:
    try:
        return model.model_validate(parameters)
    except ValidationError as error:
        raise invalid(error) from error
