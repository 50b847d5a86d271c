"""Successful answers and their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from receiver.api.bodies import Body

_NEVER_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json(body: Body, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with a body."""
    return Response(body.model_dump_json(), media_type="application/json", headers=_NEVER_KEPT | dict(headers or {}))


def redirect(url: str) -> Response:
    """Answer 307 to a URL that is a credential: nobody keeps it, and no Referer tells where it was met."""
    return RedirectResponse(url, 307, headers=_NEVER_KEPT | {"Referrer-Policy": "no-referrer"})


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Return the Link header (RFC 8288) to the next page: this request, other parameters kept.

    The target has no scheme and host, so that it is right behind any proxy.
    """
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.scope["path"]}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
