"""From the table of operations to routes; the document of the same table beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from receiver.api import answers, openapi, probes
from receiver.api.operations import OPERATIONS
from receiver.api.parts import ApiParts, Call

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from receiver.api.operations import Operation


def routes(parts: ApiParts) -> list[BaseRoute]:
    """Return the API's routes and the probes; errors become answers by `problems.handlers()`."""

    async def described(request: Request) -> Response:
        return answers.tagged(request, openapi.written())

    return [
        *(_route(parts, one) for one in OPERATIONS),
        Route("/openapi.json", described),
        *probes.routes(parts.probes),
    ]


def _route(parts: ApiParts, operation: Operation) -> Route:
    async def endpoint(request: Request) -> Response:
        token = parts.guard.admit(request, operation.needs)
        return await operation.handler(Call(parts=parts, request=request, token=token))

    method, path = operation.method, operation.path
    return Route(f"/api{path}", endpoint, methods=[method], name=f"api{path}:{method}")
