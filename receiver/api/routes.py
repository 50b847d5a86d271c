"""From the table of operations to routes; the document of the same table beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from receiver.api import answers, openapi, probes
from receiver.api.operations import OPERATIONS
from receiver.api.parts import ApiParts, Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from receiver.api.operations import Operation


def routes(parts: ApiParts) -> list[BaseRoute]:
    """Return the API's routes and the probes; errors become answers by `problems.handlers()`."""

    async def described(request: Request) -> Response:
        return answers.tagged(request, openapi.written())

    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = one
    return [
        *(_route(parts, path, operations) for path, operations in by_path.items()),
        Route("/openapi.json", described),
        *probes.routes(parts.probes),
    ]


def _route(parts: ApiParts, path: str, operations: Mapping[str, Operation]) -> Route:
    """Make the one route of a path, which knows all methods that it takes."""

    async def endpoint(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        token = parts.guard.admit(request, operation.needs)
        return await operation.handler(Call(parts=parts, request=request, token=token))

    return Route(f"/api{path}", endpoint, methods=[*operations], name=f"api{path}")
