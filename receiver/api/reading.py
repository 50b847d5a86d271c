"""Bodies of the API's requests: small, JSON, and nothing in them that is not known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from receiver.request_body import read_bounded

if TYPE_CHECKING:
    from starlette.requests import Request

    from receiver.api.bodies import Body

MAX_BYTES = 16_384
_DEADLINE_S = 10.0
T = TypeVar("T", bound="Body")


def has_body(request: Request) -> bool:
    """Tell whether the request brings a body at all."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


async def read_body(request: Request, model: type[T]) -> T:
    """Return the request's body; raises `HTTPException` with 400, 408, 413, 415 or 422."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send the body as application/json")
    try:
        async with asyncio.timeout(_DEADLINE_S):
            body = await read_bounded(request, MAX_BYTES)
    except TimeoutError as e:
        raise HTTPException(408, "the body did not arrive in time; send it again") from e
    except ClientDisconnect as e:
        raise HTTPException(400, "the connection closed before the body was complete; send it again") from e
    if body is None:
        raise HTTPException(413, f"a body of this API has at most {MAX_BYTES} bytes")
    try:
        return model.model_validate_json(body)
    except ValidationError as e:
        errors = e.errors(include_url=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            raise HTTPException(400, "the body is not JSON") from e
        wrong = (f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg'].lower()}" for one in errors)
        raise HTTPException(422, "; ".join(wrong)) from e
