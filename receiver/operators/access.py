"""Who may ask for what: tokens, compared in constant time, and the order of roles."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from receiver.operators.throttle import FailureThrottle
from receiver.settings import OpsToken, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


def covers(role: Role, needed: Role) -> bool:
    """Tell whether `role` may do what `needed` may."""
    return _RANK[role] >= _RANK[needed]


def require(token: OpsToken, needed: Role) -> None:
    """Raise `HTTPException` with 403 unless the token's role may do what `needed` may."""
    if not covers(token.role, needed):
        raise HTTPException(403, f"this needs the role {needed}; the token {token.name!r} has the role {token.role}")


class Guard:
    """Knows the tokens that are valid now. A good one passes however often its address failed before."""

    def __init__(
        self, tokens: Callable[[], Sequence[OpsToken]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.tokens = tokens
        self._throttle = FailureThrottle()
        self._monotonic = monotonic

    def admit(self, request: Request, needed: Role) -> OpsToken:
        """Return the request's bearer token; raises `HTTPException` with 401, 403 or 429."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        # headers were decoded as Latin-1: these are the sent bytes
        token = self.identify(value.strip().encode("latin-1") if scheme.lower() == "bearer" else b"", request)
        require(token, needed)
        return token

    def check_open(self) -> None:
        """Raise `HTTPException` with 403 where no token is configured."""
        if not self.tokens():
            raise HTTPException(403, "closed to everybody: no token is configured; set RECEIVER_OPS_TOKENS")

    def identify(self, given: bytes, request: Request) -> OpsToken:
        """Return the token that was given; raises `HTTPException` with 401, 403 or 429.

        All are compared, on digests: neither length nor position shows in the time taken.
        """
        self.check_open()
        digest = _digest(given)
        matching = [token for token in self.tokens() if hmac.compare_digest(digest, _token_digest(token))]
        if not matching:
            raise self._refusal(request)
        return matching[0]

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


def _token_digest(token: OpsToken) -> bytes:
    return _digest(token.token.get_secret_value().encode("utf-8", "surrogateescape"))


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
