"""The body of a request, whole and bounded, as every edge that takes one reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request


async def read_bounded(request: Request, most_bytes: int) -> bytes | None:
    """Return the raw body, or None as soon as it is known to be longer than `most_bytes`.

    Raises starlette's `ClientDisconnect` where the connection ends before the body does.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)
