"""Every request that the platform received and what it answered, for tests to assert on."""

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Side = Literal["api", "storage"]

KEPT = 10_000
KEPT_HEADERS = (
    "host",
    "range",
    "if-match",
    "if-none-match",
    "if-range",
    "accept-encoding",
    "content-type",
    "user-agent",
    "traceparent",
)
SECRET_HEADERS = ("cb-token", "cb-administration-api-key", "authorization", "cookie")
CONTROL_PREFIX = "/_control"


@dataclass
class Entry:
    at: float
    side: Side
    method: str
    path: str
    query: str
    status: int | None = None  # none yet, or never: the client was left hanging
    bytes_sent: int = 0  # of the body
    headers: dict[str, str | bool] = field(default_factory=dict)


class Journal:
    """The last requests of both listeners, in the order they arrived."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def open(self, side: Side, scope: Scope) -> Entry:
        headers = Headers(scope=scope)
        kept: dict[str, str | bool] = {name: headers[name] for name in KEPT_HEADERS if name in headers}
        kept |= dict.fromkeys((name for name in SECRET_HEADERS if name in headers), True)
        entry = Entry(time.time(), side, scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        entry.headers = kept
        self._entries.append(entry)
        return entry

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries]

    def clear(self) -> None:
        self._entries.clear()


class JournalMiddleware:
    """Writes each request down; the entry is in the scope's state for what bypasses HTTP."""

    def __init__(self, app: ASGIApp, journal: Journal, side: Side) -> None:
        self._app = app
        self._journal = journal
        self._side = side

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        entry = self._journal.open(self._side, scope)
        scope["state"]["entry"] = entry

        async def counting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            elif message["type"] == "http.response.body" and scope["method"] != "HEAD":
                entry.bytes_sent += len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, counting_send)
