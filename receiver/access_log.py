"""The access log: one line a request, by the route's pattern, since a path can hold the webhook's secret."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from receiver import logs, traces
from receiver.refusals import RefusalKind, Refusals, is_refusal, surface

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines, which know the answer."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BEGAN, _TOLD = "receiver.began", "receiver.told"
_log = logs.get("http")


class AccessLog:
    """ASGI middleware: logs each request once it is answered, unless its handler has (`fields`).

    Refusals are told together, so that a flood of them is no flood of lines; probes are told at level debug alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refusals = Refusals(lambda delay_s, tell: asyncio.get_running_loop().call_later(delay_s, tell))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        began(scope)
        status, sent_bytes = 500, 0  # an exception that comes out is answered so, further out

        async def noting(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                if is_refusal(scope["method"], status):
                    self._refusals.note(RefusalKind(surface(scope["path"]), _client(scope), status))
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            if _TOLD not in scope:
                _tell(scope, status, sent_bytes)


def began(scope: Scope) -> float:
    """Return when the request was first seen, by `time.perf_counter`."""
    at: float = scope.setdefault(_BEGAN, time.perf_counter())
    return at


def fields(scope: Scope, status: int, sent_bytes: int) -> dict[str, Any]:
    """Return what the log has of each request, for a handler that logs its request by itself."""
    scope[_TOLD] = True
    return {
        "method": scope["method"] if scope["method"] in _METHODS else "other",
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "duration_ms": round((time.perf_counter() - began(scope)) * 1000, 3),
        "sent_bytes": sent_bytes,
        "client": _client(scope),
    }


def _tell(scope: Scope, status: int, sent_bytes: int) -> None:
    found = fields(scope, status, sent_bytes)
    is_quiet = found["route"] in _QUIET_ROUTES or is_refusal(scope["method"], status)
    trace = traces.parse(Headers(scope=scope).get(traces.HEADER))
    told = _log.debug if is_quiet else _log.info
    told("request_answered", **found, **({} if trace is None else {"trace_id": trace.id}))


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""
