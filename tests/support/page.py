"""The operators' page as a browser without script meets it: a client that keeps cookies and follows no redirect."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette

from receiver import api, page, problems
from receiver.app.ended_sessions import DatabaseEndedSessions
from receiver.catalogue import Catalogue, Interventions, Overviews
from receiver.operators import Actions, Downloads, Guard
from tests.support.erasing import erase_actions
from tests.support.intake import replay_of
from tests.support.operators import NOW, OPERATOR, TOKENS, VIEWER, Outside, holds_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from receiver.settings import OpsToken
    from receiver.tables import Database

PAGES = (
    "/",
    "/recordings",
    "/recordings/r1",
    "/recordings/r1/download",
    "/meetings/m1",
    "/failed",
    "/holds",
    "/failed/retry?error_code=e",
    "/deliveries",
    "/deliveries/d1",
)
_VERBS = ("retry", "cancel", "hold", "release")
FORMS = (
    *(f"/recordings/r1/{verb}" for verb in _VERBS),
    "/holds",
    "/holds/1/release",
    "/failed/retry",
    "/deliveries/d1/replay",
    "/sign-out",
)


@pytest.fixture
def outside() -> Outside:
    return Outside()


def browser_of(
    database: Database,
    catalogue: Any,
    interventions: Any,
    outside: Outside,
    *,
    tokens: tuple[OpsToken, ...] = TOKENS,
    url: str = "http://receiver:8080",
    replay: Any = None,
) -> httpx.AsyncClient:
    """Return a client that keeps cookies and follows no redirect, of the page and the API as `app` composes them."""
    guard = Guard(lambda: tokens)
    actions = Actions(
        interventions=interventions, holds=holds_of(interventions), wake=outside.wake, clock=lambda: NOW, take_in=replay
    )
    downloads = Downloads(catalogue=catalogue, presign=outside.presign, note=actions.note)
    html = page.PageParts(
        catalogue=catalogue,
        overviews=Overviews(database),
        guard=guard,
        actions=actions,
        downloads=downloads,
        erasing=erase_actions(database),
        session_keys=lambda: (b"key",),
        ended_sessions=DatabaseEndedSessions(database, lambda: NOW),
        document=api.document,
    )
    json = api.ApiParts(
        catalogue=catalogue,
        guard=guard,
        actions=actions,
        downloads=downloads,
        erasing=erase_actions(database),
        probes=outside.probes(catalogue),
    )
    app = Starlette(routes=[*api.routes(json), *page.routes(html)], exception_handlers=problems.handlers())
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url=url)


@pytest.fixture
async def browser(database: Database, outside: Outside) -> AsyncIterator[httpx.AsyncClient]:
    catalogue, changes = Catalogue(database), Interventions(database)
    async with browser_of(database, catalogue, changes, outside, replay=replay_of(database)) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, token: str, **fields: str) -> httpx.Response:
    return await client.post("/sign-in", data={"token": token, **fields})


@pytest.fixture
async def viewer(browser: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await sign_in(browser, VIEWER)).status_code == 303
    return browser


@pytest.fixture
async def operator(browser: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await sign_in(browser, OPERATOR)).status_code == 303
    return browser


def form_key(text: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


async def post(
    client: httpx.AsyncClient, path: str, fields: Mapping[str, str] | None = None, **headers: str
) -> httpx.Response:
    """Send a form as the page's own button would."""
    fields = {"form_key": form_key((await client.get("/")).text), **(fields or {})}
    return await client.post(path, data=fields, headers={"Sec-Fetch-Site": "same-origin", **headers})


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def seen(text: str) -> str:
    """Return what a reader sees of a page's main part: its text, each run of spaces as one."""
    main = text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub("<[^>]*>", " ", main)).split())


def listed(text: str) -> list[str]:
    return re.findall(r'<a class="name" href="/(?:recordings|deliveries)/([^"]+)"', text)
