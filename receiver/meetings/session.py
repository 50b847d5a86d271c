"""The ways to the API: a fixed key or token, or a user's session, whose token is prolonged by every use."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from receiver import logs
from receiver.errors import ApiBadAnswerError, ApiLoginRefusedError
from receiver.meetings.access import AdminKey, FixedAccess, StaticToken, UserLogin
from receiver.meetings.refusal import login_refusal
from receiver.meetings.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.meetings.access import Access, Credentials
    from receiver.meetings.answer import ApiAnswer
    from receiver.meetings.http_client import HttpClient

TOKEN_LIFE = timedelta(hours=2)
_NONCES = 2**31
_TOKEN_CHARS = 4096

log = logs.get("meetings_api")


class UserSession:
    """Implements `access.Access` by logging a user in, and again where the login that is to be used has changed."""

    header = "CB-Token"
    path = "/meetings/recordings/"
    meetings_path = "/meetings"
    setting = "RECEIVER_API_APP_ID and RECEIVER_API_USER_LOGIN or _EMAIL"

    def __init__(self, http: HttpClient, user: Callable[[], UserLogin]) -> None:
        self._http = http
        self._user = user
        self._logged_in: UserLogin | None = None
        self._token: str | None = None
        self._good_until = 0.0
        self.user_id: int | None = None
        self._flight: SingleFlight[str] | None = None

    async def secret(self) -> str:
        """Return a token that has life left, logging in where there is none: once, for all that ask meanwhile."""
        if self._token is not None and self._logged_in == self._user() and time.monotonic() < self._good_until:
            return self._token
        if self._flight is None:
            self._flight = SingleFlight(self._log_in)
        return await self._flight.result()

    async def replaced(self, refused: str) -> str | None:
        """Drop a token that the API refused, unless that has been done, and return a newer one."""
        if self._token == refused:
            self._token = None
        return await self.secret()

    def used(self, secret: str, answer: ApiAnswer) -> None:
        """Note that a request with this token was answered, which prolongs its life."""
        if secret == self._token:
            self._good_until = time.monotonic() + usable_s(answer)

    async def close(self) -> None:
        if self._flight is not None:
            await self._flight.end()

    async def _log_in(self, _began: float) -> str:
        user = self._user()
        known = tuple(filter(None, (user.auth_key, user.auth_secret, user.password)))
        try:
            answer = await self._http.post("/session", login_body(user, now=datetime.now(UTC)), secrets=known)
            if answer.status not in (200, 201, 202):
                raise login_refusal(answer)
            token, user_id = _read_session(answer.body)
            if user.expected_user_id is not None and user_id != user.expected_user_id:
                raise ApiLoginRefusedError(
                    f"the login opened a session of user {user_id or 'unknown'}, not of RECEIVER_API_USER_ID "
                    f"{user.expected_user_id}",
                    "a mistyped login can create a new user: correct the login or the id",
                    setting="RECEIVER_API_USER_ID",
                )
            self._token, self._logged_in, self.user_id = token, user, user_id
            self._good_until = time.monotonic() + usable_s(answer)
            log.info("session_opened", user_id=user_id)
            return token
        finally:
            self._flight = None


def login_body(user: UserLogin, *, now: datetime) -> bytes:
    """Write the `POST /session` body: signed with a fresh nonce where there is an auth secret, plain otherwise."""
    person = {"login": user.login} if user.login is not None else {"email": user.email}
    person["password"] = user.password
    body: dict[str, Any] = {
        "application_id": user.app_id,
        "auth_key": user.auth_key,
        "timestamp": int(now.timestamp()),
    }
    if user.auth_secret is not None:
        body["nonce"] = secrets.randbelow(_NONCES)
        parameters = body | {f"user[{name}]": value for name, value in person.items()}
        body["signature"] = signature(parameters, user.auth_secret)
    return json.dumps(body | {"user": person}).encode()


def signature(parameters: dict[str, Any], auth_secret: str) -> str:
    """Sign parameters as the vendor does: HMAC-SHA1 over `k=v&k=v`, sorted by name, values as they are."""
    text = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return hmac.new(auth_secret.encode(), text.encode(), hashlib.sha1).hexdigest()


def usable_s(answer: ApiAnswer) -> float:
    """Return for how many seconds from now the answered request's token is worth using: a little less than its life.

    Where the answer names the end of the token, its distance is measured on the API's own clock.
    """
    life_s = TOKEN_LIFE.total_seconds()
    try:
        end = datetime.strptime(answer.token_expiry or "", "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        life_s = (end - (answer.date or answer.received_at)).total_seconds()
    except ValueError:
        pass  # no such header, or another format: the documented life holds
    return life_s - min(60.0, life_s / 10)


def _read_session(body: bytes) -> tuple[str, int | None]:
    try:
        session = json.loads(body)["session"]
        token = session["token"]
        user_id = session.get("user_id") or (session.get("user") or {}).get("id")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise ApiBadAnswerError("the login's answer holds no session token") from None
    if (
        not isinstance(token, str)
        or not 0 < len(token) <= _TOKEN_CHARS
        or not (token.isascii() and token.isprintable())
    ):
        raise ApiBadAnswerError("the login's answer holds no usable session token")
    return token, user_id if isinstance(user_id, int) else None


def access_for(current: Callable[[], Credentials], http: HttpClient) -> Access:
    """Return the way to the API that these credentials are for."""
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
            return UserSession(http, _login(current))
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
