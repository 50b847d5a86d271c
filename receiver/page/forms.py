"""Forms that browsers post: where they may come from, and what they carry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from receiver.request_body import read_bounded

if TYPE_CHECKING:
    from starlette.requests import Request

_MAX_BYTES = 16_384
_MAX_FIELDS = 16
_DEADLINE_S = 10.0


def check_own_site(request: Request) -> None:
    """Raise `HTTPException` with 403 for a post that another site made the browser send.

    `Sec-Fetch-Site` decides where it is sent, which is over TLS and on loopback: no proxy changes what it says.
    Elsewhere `Origin` must name this host. It is "null" for forms of pages whose Referrer-Policy is no-referrer, ours
    among them: that says nothing, and the session's form key decides.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "null")
    if site is not None:
        own = site in {"same-origin", "none"}
    else:
        own = origin == "null" or urlsplit(origin).netloc == request.headers.get("host")
    if not own:
        raise HTTPException(403, "this form was sent by another site; nothing was done")


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of an urlencoded form; raises `HTTPException` with 400, 408, 413 or 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send the form as application/x-www-form-urlencoded")
    try:
        async with asyncio.timeout(_DEADLINE_S):
            body = await read_bounded(request, _MAX_BYTES)
        if body is None:
            raise HTTPException(413, f"a form of this page has at most {_MAX_BYTES} bytes")
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except TimeoutError as e:
        raise HTTPException(408, "the form did not arrive in time; send it again") from e
    except ClientDisconnect as e:
        raise HTTPException(400, "the connection closed before the form was complete") from e
    except ValueError as e:
        raise HTTPException(400, "the form is not one of this page's") from e
