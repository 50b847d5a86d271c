"""Another program that takes events: what it was sent, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass
class EventReceiver:
    """Checks each signature as a receiver does, with the library's own `verify`."""

    status: int | Callable[[dict[str, Any]], int] = 204
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    got: list[dict[str, Any]] = field(default_factory=list)
    """The bodies, with the `webhook-id` they came with as `webhook_id`."""
    raw: list[bytes] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    """The `traceparent` that each came with."""
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook/{token}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook/canary-token-of-the-hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        event = Webhook(SECRET).verify(body, dict(request.headers))
        assert request.content_type == "application/cloudevents+json"
        self.raw.append(body)
        self.traces.append(request.headers.get("traceparent"))
        self.got.append(event | {"webhook_id": request.headers["webhook-id"]})
        status = self.status(event) if callable(self.status) else self.status
        return web.Response(status=status, headers=self.headers, body=self.answer)
