"""The operators' API alone, over a catalogue, as clients with and without a token meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from receiver import api, problems
from receiver.catalogue import Catalogue, Interventions
from receiver.operators import Actions, Downloads, Guard
from receiver.problems import anchor
from tests.support.erasing import erase_actions
from tests.support.intake import replay_of
from tests.support.operators import NOW, OPERATOR, TOKENS, VIEWER, Outside, holds_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.settings import OpsToken
    from receiver.tables import Database

READS = (
    "/api/recordings",
    "/api/recordings/r1",
    "/api/recordings/r1/download",
    "/api/recordings/r1/history",
    "/api/meetings/m1",
    "/api/deliveries",
    "/api/export?format=csv",
    "/api/holds",
    "/api/stats",
)
_ACTIONS = ("retry", "cancel", "hold", "release")
WRITES = (
    *(f"/api/recordings/r1/{action}" for action in _ACTIONS),
    "/api/holds",
    "/api/recordings/retry",
    "/api/deliveries/d1/replay",
)
ASKED: dict[str, dict[str, Any]] = {
    "/api/recordings/r1/hold": {"reason": "a case"},
    "/api/recordings/r1/release": {"reason": "a case"},
    "/api/holds": {"scope": "meeting", "value": "m1", "reason": "a case"},
    "/api/recordings/retry": {"error_code": "e"},
    "/api/recordings/r1": {"reason": "a case"},
}
"""The bodies of those that take one."""
ALL = [("GET", path) for path in (*READS, "/api/deliveries/d1")] + [("POST", path) for path in WRITES]
ALL.append(("DELETE", "/api/recordings/r1"))
NOT_FOUND = "an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -"


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + token.encode()}


def api_of(
    catalogue: Any,
    interventions: Any,
    outside: Outside,
    tokens: tuple[OpsToken, ...] = TOKENS,
    replay: Any = None,
    erasing: Any = None,
) -> api.ApiParts:
    actions = Actions(
        interventions=interventions, holds=holds_of(interventions), wake=outside.wake, clock=lambda: NOW, take_in=replay
    )
    return api.ApiParts(
        catalogue=catalogue,
        guard=Guard(lambda: tokens),
        actions=actions,
        downloads=Downloads(catalogue=catalogue, presign=outside.presign, note=actions.note),
        erasing=erasing,
        probes=outside.probes(catalogue),
    )


def client_of(
    catalogue: Any,
    interventions: Any,
    outside: Outside,
    tokens: tuple[OpsToken, ...] = TOKENS,
    replay: Any = None,
    erasing: Any = None,
) -> httpx.AsyncClient:
    parts = api_of(catalogue, interventions, outside, tokens, replay, erasing)
    app = Starlette(routes=api.routes(parts), exception_handlers=problems.handlers())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("198.51.100.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://receiver")


@pytest.fixture
async def anonymous(database: Database, outside: Outside) -> AsyncIterator[httpx.AsyncClient]:
    catalogue = Catalogue(database, cursor_keys=lambda: (b"k",))
    more = {"replay": replay_of(database), "erasing": erase_actions(database)}
    async with client_of(catalogue, Interventions(database), outside, **more) as client:
        yield client


@pytest.fixture
async def api_viewer(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers = httpx.Headers(bearer(VIEWER))
    return anonymous


@pytest.fixture
async def api_operator(anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    anonymous.headers = httpx.Headers(bearer(OPERATOR))
    return anonymous


def assert_problem(answer: httpx.Response, status: int, detail: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    assert answer.headers["cache-control"] == "no-store", answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff", answer.headers
    found = answer.json()
    assert (found["type"], found["status"]) == (f"/docs/errors#{anchor(found['title'])}", status), found
    assert detail in found["detail"], found
    return found
