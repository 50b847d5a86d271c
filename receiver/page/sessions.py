"""The page's sessions: a signed cookie and no store, good in every process until it expires.

The signature is for the token's name, role and digest: a session ends when its token leaves `OPS_TOKENS` or changes,
and who knows the key alone can make none. Signing out drops the cookie; a stolen copy would live on until it expires.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from receiver.settings import OpsToken

LIFE = timedelta(hours=12)


class PageSessions:
    """Makes sessions with the first of the keys, and recognises those made with any."""

    def __init__(self, tokens: Callable[[], Sequence[OpsToken]], keys: Callable[[], Sequence[bytes]]) -> None:
        self._tokens = tokens
        self._keys = keys

    def begin(self, token: OpsToken, *, now: datetime) -> str:
        """Return the value of a new session."""
        value = [int((now + LIFE).timestamp()), secrets.token_urlsafe(12)]
        return signed.sign(value, keys=self._keys(), purpose=_purpose(token))

    def find(self, value: str, *, now: datetime) -> OpsToken | None:
        """Return whose session this is, or None where it is none of ours, has expired, or its token is no more."""
        for token in self._tokens():
            found = signed.read(value, keys=self._keys(), purpose=_purpose(token))
            if found is not None:
                return token if found[0] > now.timestamp() else None
        return None

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
