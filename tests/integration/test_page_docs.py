"""The documentation that the service shows: the API's and that of errors, to everybody.

On SQLite: nothing is asked of the index.
"""

from __future__ import annotations

import re

import httpx

from receiver.api.operations import OPERATIONS
from receiver.catalogue import FILTERS
from tests.support.databases import ON_SQLITE
from tests.support.page import get, seen

pytestmark = ON_SQLITE


async def test_every_operation_parameter_and_schema_is_there(browser: httpx.AsyncClient):
    text = await get(browser, "/docs")
    for one in OPERATIONS:
        assert f"<b>{one.method}</b> /api{one.path}</code>" in text
    for one in FILTERS:
        assert f"<code>{one.name}</code>" in text
    links, anchors = re.findall(r'href="#([^"]+)"', text), re.findall(r' id="([^"]+)"', text)
    assert set(links) <= set(anchors)
    assert len(anchors) == len(set(anchors))
    assert "whose type leads to what to do" in seen(text)


async def test_every_problem_leads_to_its_section(browser: httpx.AsyncClient, viewer: httpx.AsyncClient):
    text = await get(browser, "/docs/errors")
    asked = ["/api/recordings", "/nothing"]
    for path in asked:
        page, _, anchor = (await browser.get(path)).json()["type"].partition("#")
        assert page == "/docs/errors"
        assert f'id="{anchor}"' in text
    assert '<tr id="source_denied">' in text
    assert text.count("<h1>") == 1
    assert "Overview" in await get(viewer, "/docs/errors"), "who is signed in keeps the way back"


async def test_the_runbook_is_shown_with_what_its_links_lead_to(browser: httpx.AsyncClient):
    text = await get(browser, "/docs/runbook")
    anchors = re.findall(r' id="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    assert {"nothingisscraped", "store_denied"} <= set(anchors)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(anchors)
    assert 'href="errors"' in text, "the table of errors, as this service shows it"
    assert text.count("<h1>") == 1
