import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from receiver.sandbox.config import SandboxConfig
from receiver.sandbox.ids import Ids
from receiver.sandbox.users import User, Users
from receiver.sandbox.wire import (
    ApiError,
    Parameters,
    base_error,
    field_error,
    invalid,
    now,
    plain_error,
    stamp_s,
)

CLOCK_TOLERANCE_S = 3600


class CredentialsBody(BaseModel):
    login: str | None = None
    email: str | None = None
    password: str | None = None


class SessionBody(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    application_id: int
    auth_key: str = Field(min_length=1)
    timestamp: int
    nonce: str | None = None
    signature: str | None = None
    user: CredentialsBody | None = None


@dataclass
class SandboxSession:
    object_id: str
    token: str
    user: User | None
    expires_at: float


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

    def create(self, parameters: Parameters) -> dict[str, Any]:
        try:
            body = SessionBody.model_validate(parameters)
        except ValidationError as error:
            raise invalid(error) from error
        self._check(body, parameters)
        user = self._user(body.user) if body.user else None
        if body.nonce is not None:
            self._seen.add((body.timestamp, body.nonce))
        session = SandboxSession(
            self._ids.object_id(), self._ids.token(), user, time.time() + self._config.token_lifetime_s
        )
        self._sessions[session.token] = session
        return {"session": self._wire(session, body)}

    def _check(self, body: SessionBody, parameters: Parameters) -> None:
        if body.application_id != self._config.app_id or body.auth_key != self._config.auth_key:
            raise plain_error(404, "No application found")
        if abs(time.time() - body.timestamp) > CLOCK_TOLERANCE_S:
            raise base_error(422, "Bad timestamp")
        if body.signature is not None:
            if not body.nonce:
                raise field_error("nonce", "cannot be blank")
            expected = session_signature(parameters, self._config.auth_secret)
            if not hmac.compare_digest(expected.encode(), body.signature.encode()):
                raise base_error(422, "Unexpected signature")
        if body.nonce is not None and (body.timestamp, body.nonce) in self._seen:
            raise field_error("nonce", "has already been used with this timestamp")

    def _user(self, given: CredentialsBody) -> User:
        if not given.login and not given.email:
            raise field_error("login", "cannot be blank")
        if not given.password:
            raise field_error("password", "cannot be blank")
        user = self._users.find(login=given.login, email=given.email)
        if user is None and self._config.create_users:
            return self._users.create(given.login, given.email, given.password)
        if user is None or user.password != given.password:
            raise plain_error(401, "Unauthorized")
        return user

    def _wire(self, session: SandboxSession, body: SessionBody) -> dict[str, Any]:
        made = stamp_s(now())
        return {
            "_id": session.object_id,
            "application_id": body.application_id,
            "token": session.token,
            "nonce": body.nonce,
            "ts": body.timestamp,
            "created_at": made,
            "updated_at": made,
            "user_id": session.user.id if session.user else 0,
            "user": session.user.wire() if session.user else None,
        }

    def use(self, token: str | None) -> SandboxSession:
        """Finds the session of a request and prolongs it."""
        if not token:
            raise plain_error(401, "Token is required")
        session = self._sessions.get(token)
        if session is None or session.expires_at <= time.time():
            self._sessions.pop(token, None)
            raise lost_session()
        session.expires_at = time.time() + self._config.token_lifetime_s
        if session.user is not None:
            session.user.last_request_at = now()
        return session

    def drop(self, token: str) -> None:
        self._sessions.pop(token, None)

    def drop_of(self, user: User) -> None:
        self._sessions = {token: one for token, one in self._sessions.items() if one.user is not user}

    def expiry_header(self, session: SandboxSession) -> str:
        return datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def lost_session() -> ApiError:
    return base_error(401, "Required session does not exist")
