"""Successful answers and their headers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from receiver.api.bodies import Body

_NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
NEVER_KEPT = {"Cache-Control": "no-store", **_NO_SNIFFING}
_ASKED_ANEW = {"Cache-Control": "private, no-cache", "Vary": "Authorization", **_NO_SNIFFING}
"""Of what its own reader may keep, and asks for again by its ETag."""


def json(body: Body, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with a body."""
    return written(body.model_dump_json().encode(), headers)


def written(content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Do so with JSON that is written already."""
    return Response(content, media_type="application/json", headers=NEVER_KEPT | dict(headers or {}))


def single(request: Request, body: Body, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with one resource and the ETag of its bytes, or 304 where the client has just these."""
    return tagged(request, body.model_dump_json().encode(), headers)


def tagged(request: Request, content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Do so with JSON that is written already."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    own = _ASKED_ANEW | {"ETag": etag} | dict(headers or {})
    if _has(request, etag):
        return Response(status_code=304, headers=own)
    return Response(content, media_type="application/json", headers=own)


def _has(request: Request, etag: str) -> bool:
    """Compare as RFC 9110, 13.1.2 says: a proxy that compressed the answer made its tag a weak one."""
    given = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in given or given == ["*"]


def redirect(url: str) -> Response:
    """Answer 307 to a URL that is a credential: nobody keeps it, and no Referer tells where it was met."""
    return RedirectResponse(url, 307, headers=NEVER_KEPT | {"Referrer-Policy": "no-referrer"})


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Return the Link header (RFC 8288) to the next page: this request, other parameters kept.

    The target has no scheme and host, so that it is right behind any proxy.
    """
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.scope["path"]}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
