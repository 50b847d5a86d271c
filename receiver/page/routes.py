"""Which path leads to which page, who may see it, and what a form must bring to be obeyed."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from receiver.errors import ReceiverError
from receiver.operators import require
from receiver.page import deliveries, docs, erasures, failed, holds, meetings, overview, recordings, sign_in
from receiver.page.forms import check_own_site, read_form
from receiver.page.parts import PageParts, Visit
from receiver.page.rendering import OwnFiles, redirect, refuse
from receiver.page.sessions import PageSessions, read_cookie
from receiver.settings import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    Endpoint = Callable[[Request], Awaitable[Response]]
    Handler = Callable[[Visit], Awaitable[Response]]
    OpenHandler = Callable[[PageParts, Request, Visit | None], Awaitable[Response]]


def routes(parts: PageParts) -> list[BaseRoute]:
    """Return the page's routes, which answer errors with a page too."""
    known = PageSessions(parts.guard.tokens, parts.session_keys, parts.ended_sessions)

    def page(path: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            visit = await _visit(parts, known, request)
            return await handler(visit) if visit else redirect(_sign_in_path(request))

        return _route(path, ["GET"], endpoint)

    def open_page(path: str, handler: OpenHandler) -> Route:
        """Lead to what everybody may read, signed in or not."""

        async def endpoint(request: Request) -> Response:
            value = read_cookie(request)
            token = await known.find(value, now=parts.actions.clock()) if value else None
            visit = Visit(parts=parts, request=request, token=token, form_key=known.form_key(value)) if token else None
            return await handler(parts, request, visit)

        return _route(path, ["GET"], endpoint)

    def form(path: str, needed: Role, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            check_own_site(request)
            visit = await _visit(parts, known, request)
            if visit is None:
                return redirect("/sign-in")
            fields = await read_form(request)
            given = fields.get("form_key", "")
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), visit.form_key.encode()):
                raise HTTPException(403, "this form is not of your session; go back, load the page anew and try again")
            require(visit.token, needed)
            return await handler(replace(visit, form=fields))

        return _route(path, ["POST"], endpoint)

    return [
        page("/", overview.show),
        page("/recordings", recordings.listing),
        page("/recordings/{id}", recordings.show),
        page("/recordings/{id}/download", recordings.download),
        *(form(f"/recordings/{{id}}/{verb}", Role.OPERATOR, recordings.change(verb)) for verb in recordings.VERBS),
        *(form(f"/recordings/{{id}}/{verb}", Role.OPERATOR, recordings.hold(verb)) for verb in recordings.HOLDING),
        page("/holds", holds.listing),
        form("/holds", Role.OPERATOR, holds.add),
        form("/holds/{id}/release", Role.OPERATOR, holds.release),
        page("/recordings/{id}/erase", erasures.ask),
        form("/recordings/{id}/erase", Role.ADMIN, erasures.erase),
        page("/erasures", erasures.listing),
        page("/erasures/{id}", erasures.show),
        page("/meetings/{id}", meetings.show),
        page("/failed", failed.groups),
        page("/failed/retry", failed.ask),
        form("/failed/retry", Role.OPERATOR, failed.retry),
        page("/deliveries", deliveries.listing),
        page("/deliveries/{id}", deliveries.show),
        form("/deliveries/{id}/replay", Role.OPERATOR, deliveries.replay),
        _route("/sign-in", ["GET", "POST"], sign_in.endpoint(parts, known)),
        form("/sign-out", Role.VIEWER, sign_in.leaving(known)),
        Mount("/static", OwnFiles()),
        open_page("/docs", docs.api),
        open_page("/docs/errors", docs.errors),
        open_page("/docs/runbook", docs.runbook),
    ]


def _route(path: str, methods: list[str], endpoint: Endpoint) -> Route:
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (HTTPException, ReceiverError) as e:
            return await refuse(request, e)

    return Route(path, answered, methods=methods, name=f"page{path}")


async def _visit(parts: PageParts, known: PageSessions, request: Request) -> Visit | None:
    """Return the visit of somebody signed in, or None; raises `HTTPException` with 403 where nobody can be."""
    parts.guard.check_open()
    value = read_cookie(request)
    token = await known.find(value, now=parts.actions.clock())
    return Visit(parts=parts, request=request, token=token, form_key=known.form_key(value)) if token else None


def _sign_in_path(request: Request) -> str:
    """Return the way to the sign-in that leads back here."""
    query = f"?{request.url.query}" if request.url.query else ""
    return "/sign-in?" + urlencode({"next": request.url.path + query})
