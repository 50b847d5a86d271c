"""Which path leads to which handler, and the role it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from receiver.api import answers, deliveries, probes, record, recordings
from receiver.api.bodies import StatsBody
from receiver.api.parts import ApiParts, Call
from receiver.settings import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    Handler = Callable[[Call], Awaitable[Response]]


def routes(parts: ApiParts) -> list[BaseRoute]:
    """Return the API's routes and the probes; errors become answers by `problems.handlers()`."""

    def get(path: str, handler: Handler, needed: Role = Role.VIEWER) -> Route:
        return _route(path, "GET", needed, handler)

    def post(path: str, handler: Handler) -> Route:
        return _route(path, "POST", Role.OPERATOR, handler)

    def _route(path: str, method: str, needed: Role, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return await handler(Call(parts=parts, request=request, token=parts.guard.admit(request, needed)))

        return Route(f"/api{path}", endpoint, methods=[method], name=f"api{path}:{method}")

    return [
        get("/recordings", recordings.page),
        get("/recordings/{id}", recordings.show),
        get("/recordings/{id}/download", recordings.download),
        get("/recordings/{id}/history", record.history),
        post("/recordings/{id}/retry", recordings.retry),
        post("/recordings/{id}/cancel", recordings.cancel),
        post("/recordings/{id}/hold", recordings.hold),
        post("/recordings/{id}/release", recordings.release),
        get("/deliveries", deliveries.page),
        get("/deliveries/{id}", deliveries.show),
        post("/deliveries/{id}/replay", deliveries.replay),
        get("/audit-log", record.acts, Role.ADMIN),
        get("/stats", _stats),
        *probes.routes(parts.probes),
    ]


async def _stats(call: Call) -> Response:
    return answers.json(StatsBody(recordings=await call.parts.catalogue.counts()))
