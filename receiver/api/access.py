"""Who may call what: bearer tokens, compared in constant time, and the order of roles."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from receiver.api.throttle import Throttle
from receiver.settings import OpsToken, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


def covers(role: Role, needed: Role) -> bool:
    """Tell whether `role` may do what `needed` may."""
    return _RANK[role] >= _RANK[needed]


class Guard:
    """Admits requests that carry a configured token. A good token passes however often its address failed before."""

    def __init__(
        self, tokens: Callable[[], Sequence[OpsToken]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tokens = tokens
        self._throttle = Throttle()
        self._monotonic = monotonic

    def admit(self, request: Request, needed: Role) -> OpsToken:
        """Return the request's token; raises `HTTPException` with 401, 403 or 429."""
        tokens = self._tokens()
        if not tokens:
            raise HTTPException(403, "the API is closed: no token is configured; set RECEIVER_OPS_TOKENS")
        token = _known(request, tokens)
        if token is None:
            raise self._refusal(request)
        if not covers(token.role, needed):
            raise HTTPException(
                403, f"this needs the role {needed}; the token {token.name!r} has the role {token.role}"
            )
        return token

    def _refusal(self, request: Request) -> HTTPException:
        address = request.client.host if request.client else ""
        wait_s = self._throttle.failed(address, self._monotonic())
        if wait_s is not None:
            after = {"Retry-After": str(max(1, math.ceil(wait_s)))}
            return HTTPException(429, "too many requests without a good token came from this address", headers=after)
        return HTTPException(
            401,
            "send the header Authorization: Bearer <token> with one of the service's ops tokens",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _known(request: Request, tokens: Sequence[OpsToken]) -> OpsToken | None:
    """Compare with every token, on digests: neither length nor position shows in the time taken."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    given = _digest(value.strip().encode("latin-1"))  # headers were decoded as Latin-1: these are the sent bytes
    matching = [token for token in tokens if hmac.compare_digest(given, _token_digest(token))]
    return matching[0] if matching and scheme.lower() == "bearer" else None


def _token_digest(token: OpsToken) -> bytes:
    return _digest(token.token.get_secret_value().encode("utf-8", "surrogateescape"))


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
