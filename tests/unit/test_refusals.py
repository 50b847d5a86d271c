"""Refusals on record: one line for many, none for what was not refused, and no more memory than was allotted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from receiver.access_log import AccessLog
from receiver.refusals import MOST_KINDS, QUIET_S, RefusalKind, Refusals

ALICE = RefusalKind("api", "198.51.100.7", 401)


class Later:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], None]] = deque()

    def __call__(self, delay_s: float, call: Callable[[], None]) -> None:
        assert delay_s == QUIET_S
        self._due.append(call)

    def passes(self) -> None:
        for _ in range(len(self._due)):
            self._due.popleft()()


def test_many_are_told_twice_and_then_no_more() -> None:
    later = Later()
    refusals = Refusals(later)
    with capture_logs() as events:
        for _ in range(1000):
            refusals.note(ALICE)
        refusals.note(ALICE._replace(status=403))
        assert [(e["status"], e["count"]) for e in events] == [(401, 1), (403, 1)]
        later.passes()
        assert [(e["status"], e["count"]) for e in events[2:]] == [(401, 999)]
        later.passes()
        later.passes()
        assert len(events) == 3
        refusals.note(ALICE)
    assert events[3] == {
        "event": "requests_refused",
        "log_level": "warning",
        "part": "http",
        "surface": "api",
        "address": "198.51.100.7",
        "status": 401,
        "count": 1,
    }


def test_a_flood_of_addresses_is_one_line_more() -> None:
    later = Later()
    refusals = Refusals(later)
    with capture_logs() as events:
        for n in range(5000):
            refusals.note(ALICE._replace(address=f"2001:db8::{n:x}"))
        later.passes()
    assert len(events) == MOST_KINDS + 2
    assert sum(event["count"] for event in events) == 5000
    assert {event["count"] for event in events if event["address"] != "others"} == {1}


@pytest.mark.parametrize(
    ("method", "path", "status", "surface"),
    [
        ("POST", "/webhooks/recording-done/canary-secret", 401, "webhook"),
        ("POST", "/webhooks/recording-done/canary-secret", 413, "webhook"),
        ("POST", "/webhooks/recording-done/canary-secret", 415, "webhook"),
        ("POST", "/webhooks/recording-done/canary-secret", 400, "webhook"),
        ("POST", "/webhooks/recording-done/canary-secret", 422, None),
        ("GET", "/api/stats", 401, "api"),
        ("GET", "/api/stats", 403, "api"),
        ("GET", "/api/stats", 429, "api"),
        ("GET", "/api/recordings", 400, None),
        ("POST", "/sign-in", 401, "page"),
        ("POST", "/recordings/r1/retry", 403, "page"),
        ("GET", "/", 200, None),
        ("GET", "/nothing", 404, None),
    ],
)
async def test_which_answers_are_refusals(method: str, path: str, status: int, surface: str | None) -> None:
    async def answer(_request: Request) -> Response:
        if status == 403:
            raise HTTPException(403)
        return Response(status_code=status)

    routes = [Route("/{path:path}", answer, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(AccessLog)])
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 4711))
    with capture_logs() as events:
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            assert (await client.request(method, path)).status_code == status
    told = [
        (e["event"], e["surface"], e["address"], e["status"], e["count"])
        for e in events
        if e["event"] == "requests_refused"
    ]
    assert told == ([("requests_refused", surface, "198.51.100.7", status, 1)] if surface else [])
    assert "canary" not in str(events)
