"""The access log: a line a request, by the route's pattern, and nothing of what a path holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from receiver import access_log, problems
from receiver.access_log import AccessLog

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def ok(_request: Request) -> Response:
    return Response(b"12345")


async def streamed(_request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"123"
        yield b"4567"

    return StreamingResponse(body())


async def refused(_request: Request) -> Response:
    return Response(status_code=401)


async def broken(_request: Request) -> Response:
    raise RuntimeError("a defect")


async def tells(request: Request) -> Response:
    assert set(access_log.fields(request.scope, 202, 3)) >= {"method", "route", "status", "duration_ms", "client"}
    return Response(status_code=202)


ROUTES = {
    "/webhooks/recording-done/{secret}": ok,
    "/things/{id}": streamed,
    "/healthz": ok,
    "/refused/{secret}": refused,
    "/broken/{secret}": broken,
    "/tells/{secret}": tells,
}


async def asked(method: str, path: str, **headers: str) -> list[MutableMapping[str, Any]]:
    app = Starlette(
        routes=[Route(pattern, handler, methods=["GET", "POST"]) for pattern, handler in ROUTES.items()],
        exception_handlers=problems.handlers(),
        middleware=[Middleware(AccessLog)],
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("198.51.100.7", 4711))
    with capture_logs() as events:
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            await client.request(method, path, headers=headers)
    assert "canary" not in str(events)
    return [event for event in events if event["event"] == "request_answered"]


@pytest.mark.parametrize(
    ("method", "path", "status", "route", "sent_bytes", "level"),
    [
        ("POST", "/webhooks/recording-done/canary", 200, "/webhooks/recording-done/{secret}", 5, "info"),
        ("GET", "/things/canary?q=canary", 200, "/things/{id}", 7, "info"),
        ("GET", "/healthz", 200, "/healthz", 5, "debug"),
        ("POST", "/refused/canary", 401, "/refused/{secret}", 0, "debug"),
        ("GET", "/canary", 404, None, None, "info"),
        ("DELETE", "/things/canary", 405, "/things/{id}", None, "info"),
        ("GET", "/broken/canary", 500, "/broken/{secret}", 0, "info"),
    ],
)
async def test_one_line_a_request(
    method: str, path: str, status: int, route: str | None, sent_bytes: int | None, level: str
) -> None:
    (line,) = await asked(method, path)
    told = (line["method"], line["status"], line["route"], line["client"], line["log_level"])
    assert told == (method, status, route, "198.51.100.7", level)
    assert sent_bytes is None or line["sent_bytes"] == sent_bytes
    assert 0 < line["duration_ms"] < 10_000
    assert "trace_id" not in line


async def test_the_trace_that_a_request_brings_is_named_and_nonsense_is_not() -> None:
    assert [line["trace_id"] for line in await asked("GET", "/healthz", traceparent=TRACE)] == [TRACE[3:35]]
    assert ["trace_id" in line for line in await asked("GET", "/healthz", traceparent="canary")] == [False]


async def test_what_its_handler_has_logged_is_not_logged_again() -> None:
    assert await asked("POST", "/tells/canary") == []
