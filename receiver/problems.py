"""RFC 9457 problem details: the one shape of every HTTP answer that is not a success."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from receiver import logs
from receiver.errors import (
    HeldError,
    InvalidQueryError,
    JobError,
    NotFoundError,
    ReasonError,
    StorageUnavailableError,
    UnreadableError,
    WrongStateError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ExceptionHandler

RETRY_AFTER_S = 5
"""What a client is asked to wait for a database that is down or locked; such outages end in seconds or in minutes."""
EXPLAINED_AT = "/docs/errors"
"""Where the service shows deploy/errors.md; the `type` of a problem is the section there that has its title."""
TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    429: "Too many requests",
}
"""The names that RFC 9110 has for them; those of `http` differ from one Python to the next, and a type must not."""
_log = logs.get("http")


class ProblemResponse(JSONResponse):
    """JSON that also carries what only hostile input holds: a lone surrogate leaves as its escape, not as a crash."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """Encode `content`; NaN is a defect of ours."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def problem(
    status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any
) -> JSONResponse:
    """Make a problem response; `extensions` become members beside the standard ones."""
    content = {
        "type": f"{EXPLAINED_AT}#{anchor(title)}",
        "title": title,
        "status": status,
        "detail": detail,
    } | extensions
    never_kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return ProblemResponse(content, status_code=status, headers=never_kept | dict(headers or {}))


def anchor(title: str) -> str:
    """Return the anchor that a heading gets, here and wherever else Markdown is shown as GitHub shows it."""
    return re.sub(r"[^a-z0-9_-]", "", title.lower().replace(" ", "-"))


def handlers() -> dict[Any, ExceptionHandler]:
    """Return the exception handlers for `Starlette(exception_handlers=…)`."""
    return {
        HTTPException: _http,
        InvalidQueryError: _invalid_query,
        NotFoundError: _not_found,
        WrongStateError: _wrong_state,
        HeldError: _held,
        ReasonError: _reason,
        UnreadableError: _unreadable,
        StorageUnavailableError: _storage_unavailable,
        JobError: _upstream,
        Exception: _unexpected,
    }


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (starlette hands each handler its own class)
    headers = dict(error.headers or {})
    phrase = HTTPStatus(error.status_code).phrase
    title = TITLES.get(error.status_code, phrase)
    detail = error.detail
    if detail == phrase and error.status_code == 404:
        detail = "nothing is served at this path"
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        detail = f"this path takes {headers['Allow']}"
    return problem(error.status_code, title, detail, headers=headers)


async def _invalid_query(_request: Request, error: Exception) -> JSONResponse:
    return problem(400, "Invalid query", str(error))


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    return problem(404, "Not found", str(error))


async def _wrong_state(_request: Request, error: Exception) -> JSONResponse:
    return problem(409, "Wrong state", str(error))


async def _held(_request: Request, error: Exception) -> JSONResponse:
    return problem(409, "On hold", str(error))


async def _reason(_request: Request, error: Exception) -> JSONResponse:
    return problem(422, TITLES[422], str(error))


async def _unreadable(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UnreadableError)  # noqa: S101  (starlette hands each handler its own class)
    rejected = [asdict(record) for record in error.rejected]
    return problem(422, "Not a recording-done payload", str(error), errors=list(error.errors), rejected=rejected)


async def _storage_unavailable(_request: Request, error: Exception) -> JSONResponse:
    _log.error("storage_unavailable", error=str(error))
    return problem(
        503,
        "Storage unavailable",
        "the database cannot take the request now; send it again",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


async def _upstream(_request: Request, error: Exception) -> JSONResponse:
    """Answer for the bucket or the Meetings API when a request, not a run, met its failure."""
    assert isinstance(error, JobError)  # noqa: S101  (starlette hands each handler its own class)
    _log.error("request_refused_upstream", code=error.code, error=str(error))
    return problem(502, "Bad gateway", str(error), code=error.code)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # the route's pattern, not the path: a path can hold the webhook secret
    route = getattr(request.scope.get("route"), "path", None)
    _log.error("request_failed", method=request.method, route=route, exc_info=error)
    return problem(500, "Internal error", "the service met a defect of its own; its log has the details")
