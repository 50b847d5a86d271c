"""The page's sessions: a signed cookie, good in every process until it expires or its holder signs out.

The signature is for the token's name, role and digest: a session ends when its token leaves `OPS_TOKENS` or changes,
and the key alone is not enough to make one. Only the sessions that were ended before their time are stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from receiver import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from receiver.settings import OpsToken

LIFE = timedelta(hours=12)


class EndedSessions(Protocol):
    """What all processes know of sessions that were ended. Both raise `StorageUnavailableError` while they cannot."""

    async def has(self, session_id: str) -> bool:
        """Tell whether this session was ended."""

    async def add(self, session_id: str, *, expires_at: datetime) -> None:
        """End a session; it need not be remembered beyond the time when it would have expired. Safe to repeat."""


class _Session(NamedTuple):
    expires_epoch_s: int
    id: str


class PageSessions:
    """Makes sessions with the first of the keys, and recognises those made with any."""

    def __init__(
        self, tokens: Callable[[], Sequence[OpsToken]], keys: Callable[[], Sequence[bytes]], ended: EndedSessions
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._ended = ended

    def begin(self, token: OpsToken, *, now: datetime) -> str:
        """Return the value of a new session."""
        session = _Session(int((now + LIFE).timestamp()), secrets.token_urlsafe(12))
        return signed.sign(session, keys=self._keys(), purpose=_purpose(token))

    async def find(self, value: str, *, now: datetime) -> OpsToken | None:
        """Return whose session this is; None where it is none of ours, has ended or expired, or its token is no more.

        Raises `StorageUnavailableError` where it cannot be known whether it has ended.
        """
        for token in self._tokens():
            session = self._read(value, token)
            if session is not None:
                is_over = session.expires_epoch_s <= now.timestamp() or await self._ended.has(session.id)
                return None if is_over else token
        return None

    async def end(self, value: str, token: OpsToken) -> None:
        """End a session of this token in every process, and every copy of its cookie with it."""
        session = self._read(value, token)
        if session is not None:
            await self._ended.add(session.id, expires_at=datetime.fromtimestamp(session.expires_epoch_s, UTC))

    def _read(self, value: str, token: OpsToken) -> _Session | None:
        found = signed.read(value, keys=self._keys(), purpose=_purpose(token))
        return None if found is None else _Session(*found)

    def form_key(self, value: str) -> str:
        """Return what the forms of this session carry; it cannot be made without the session's own value."""
        return hmac.new(self._keys()[0], b"form\0" + value.encode(), "sha256").hexdigest()


def _purpose(token: OpsToken) -> bytes:
    digest = hashlib.sha256(token.token.get_secret_value().encode("utf-8", "surrogateescape")).hexdigest()
    return f"session\0{token.name}\0{token.role}\0{digest}".encode("utf-8", "surrogateescape")


def cookie_name(request: Request) -> str:
    """Return the cookie's name; over TLS a prefix has the browser refuse it from any other host, path or scheme."""
    return "__Host-receiver_session" if request.url.scheme == "https" else "receiver_session"


def read_cookie(request: Request) -> str:
    """Return the value that the browser sent, or nothing."""
    return request.cookies.get(cookie_name(request), "")


def set_cookie(request: Request, response: Response, value: str) -> None:
    """Have the browser keep the session; an empty value has it forget."""
    response.set_cookie(
        cookie_name(request),
        value,
        max_age=int(LIFE.total_seconds()) if value else 0,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
