"""Signing in with an ops token, and out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from receiver import logs
from receiver.page.forms import check_own_site, read_form
from receiver.page.rendering import redirect, render
from receiver.page.sessions import read_cookie, set_cookie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from receiver.page.parts import PageParts, Visit
    from receiver.page.sessions import PageSessions

_OWN_PATH = re.compile(r"/((recordings|deliveries|meetings|failed|holds)(/[A-Za-z0-9_-]{1,64})?)?(\?[!-~]*)?")
"""Where a sign-in may lead on to: one of the page's own listings or details. Two slashes would begin another host."""
_log = logs.get("page")


def endpoint(parts: PageParts, known: PageSessions) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `GET` and `POST /sign-in`."""

    async def sign_in(request: Request) -> Response:
        parts.guard.check_open()
        if request.method == "POST":
            return await _signed_in(parts, known, request)
        to = _own_path(request.query_params.get("next", "/"))
        if await known.find(read_cookie(request), now=parts.actions.clock()):
            return redirect(to)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # a link from elsewhere never brings the SameSite=Strict cookie; a step of our own does
            return render(request, "arrived.html", to=to)
        return render(request, "sign_in.html", to=to, refusal=None)

    return sign_in


async def _signed_in(parts: PageParts, known: PageSessions, request: Request) -> Response:
    check_own_site(request)
    given = await read_form(request)
    to = _own_path(given.get("next", "/"))
    try:
        token = parts.guard.identify(given.get("token", "").strip().encode("utf-8", "surrogateescape"), request)
    except HTTPException as e:
        refusal = "That is not one of the service's ops tokens." if e.status_code == 401 else e.detail
        return render(request, "sign_in.html", status=e.status_code, headers=e.headers, to=to, refusal=refusal)
    _log.info("operator_signed_in", token_name=token.name)
    response = redirect(to)
    set_cookie(request, response, known.begin(token, now=parts.actions.clock()))
    return response


def leaving(known: PageSessions) -> Callable[[Visit], Awaitable[Response]]:
    """Return the handler of `POST /sign-out`."""

    async def sign_out(visit: Visit) -> Response:
        await known.end(read_cookie(visit.request), visit.token)
        _log.info("operator_signed_out", token_name=visit.token.name)
        response = redirect("/sign-in")
        set_cookie(visit.request, response, "")
        return response

    return sign_out


def _own_path(given: str) -> str:
    return given if _OWN_PATH.fullmatch(given) else "/"
