"""The page of deliveries, and of one.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from tests.support.databases import ON_SQLITE
from tests.support.operators import NOW, OPERATOR, VIEWER, add_delivery
from tests.support.page import get, listed, seen, sign_in

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


async def test_deliveries_and_what_of_them_could_not_be_used(database: Database, browser: httpx.AsyncClient):
    body = '[{"_id": "r1", "name": "é"}]'.encode() + b"\xff"
    rejected = [{"index": 1, "errors": ["_id: missing; give one", "room_id: no"]}]
    await add_delivery(database, "d1", rejected=rejected, body=body, recording_ids=("r1",))
    earlier = {"status": "accepted", "received_at": NOW - timedelta(days=1)}
    await add_delivery(database, "d2", body=b"a" * 70_000, **earlier)
    await sign_in(browser, VIEWER)
    text = await get(browser, "/deliveries")
    assert listed(text) == ["d1", "d2"]
    assert "2026-11-23 12:00:00Z d1 partial Recordings 1 Rejected 1 Body 30 B" in seen(text)
    assert listed(await get(browser, "/deliveries?status=accepted")) == ["d2"]
    one = await get(browser, "/deliveries/d1")
    assert 'href="/recordings/r1"' in one
    assert "1 _id: missing; give one room_id: no" in seen(one)
    assert "operators may read it" in seen(one)
    assert "é" not in one
    await sign_in(browser, OPERATOR)
    assert '[{"_id": "r1", "name": "é"}]\ufffd' in seen(await get(browser, "/deliveries/d1"))
    long = await get(browser, "/deliveries/d2")
    assert "This is its beginning; GET /api/deliveries/d2 has all of it." in seen(long)
    assert long.count("a" * 65_536) == 1
    assert "a" * 65_537 not in long
