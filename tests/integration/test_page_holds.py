"""Holds on the page: what is held and why, and who may change it.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from receiver.catalogue import Catalogue, Holds, RetentionIndex
from receiver.records import Actor, HoldScope, RecordingId, RetentionPeriod
from receiver.retention import Retention
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, NOW, VIEWER, add, row
from tests.support.page import get, post, seen, sign_in
from tests.support.row_erasure import RowErasure

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE
BY = Actor("token:root")


@pytest.fixture
async def held(database: Database) -> None:
    """Store a recording that its meeting and a person hold."""
    invited = [("r1", 0, None, "zoe@example.com")]
    await add(database, row("r1", **ARCHIVED, host_id=7), row("r2", **ARCHIVED | {"meeting_id": "m2"}), invited=invited)
    for scope, value, reason in ((HoldScope.MEETING, "m1", "case 17"), (HoldScope.PERSON, "zoe@example.com", "<b>x")):
        await Holds(database).add(scope, value, reason=reason, by=BY, now=NOW)


@pytest.mark.usefixtures("held")
async def test_what_holds_a_recording_and_why_is_on_its_page(operator: httpx.AsyncClient) -> None:
    text = await get(operator, "/recordings/r1")
    shown = seen(text)
    assert "On hold , with the meeting m1 since 2026-11-23 12:00:00Z by token:root case 17" in shown
    assert "On hold , with the person zoe@example.com since 2026-11-23 12:00:00Z by token:root <b>x" in shown
    assert "<b>x" not in text
    assert set(re.findall(r'action="(/holds/\d+/release)"', text)) == {"/holds/1/release", "/holds/2/release"}
    answer = await post(operator, "/holds/1/release", {"reason": "over", "recording_id": "r1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/recordings/r1")
    shown = seen(await get(operator, "/recordings/r1"))
    assert "case 17" not in shown.partition("History")[0]
    assert "put on hold: case 17" in shown
    assert "released from hold: over" in shown


async def test_a_hold_is_added_listed_and_released(database: Database, operator: httpx.AsyncClient) -> None:
    await add(database, row("r1", **ARCHIVED))
    assert "Nothing is held" in seen(await get(operator, "/holds"))
    fields = {"scope": "meeting", "value": " m1 ", "reason": "case 18"}
    assert (await post(operator, "/holds", fields)).headers["location"] == "/holds"
    assert "meeting m1 case 18 2026-11-23 12:00:00Z token:alice" in seen(await get(operator, "/holds"))
    assert "Nothing is held here" in seen(await get(operator, "/holds?scope=person"))
    assert (await Catalogue(database).recording(RecordingId("r1"))).hold
    assert (await post(operator, "/holds/1/release", {"reason": "over"})).headers["location"] == "/holds"
    assert not (await Catalogue(database).recording(RecordingId("r1"))).hold
    for wrong, status in (({"scope": "x"}, 400), ({"reason": " "}, 400), ({"scope": "recording", "value": "r9"}, 404)):
        assert (await post(operator, "/holds", fields | wrong)).status_code == status


@pytest.mark.usefixtures("held")
async def test_a_viewer_sees_holds_and_changes_none(browser: httpx.AsyncClient) -> None:
    await sign_in(browser, VIEWER)
    for path in ("/holds", "/recordings/r1"):
        text = await get(browser, path)
        assert "case 17" in text
        assert "/release" not in text
    assert (await post(browser, "/holds/1/release", {"reason": "over"})).status_code == 403


async def test_what_is_due_is_told_apart_until_it_is_held(database: Database, operator: httpx.AsyncClient) -> None:
    old = {"created_at": NOW - timedelta(days=40), "listed_at": NOW - timedelta(days=39)}
    await add(database, row("r1", **ARCHIVED | old))
    period = RetentionPeriod(days=timedelta(days=30), grace=timedelta(days=14))
    index = RetentionIndex(database)
    await Retention(index=index, erasure=RowErasure(database), period=period, clock=lambda: NOW).run()
    assert "due to be erased" in seen(await get(operator, "/recordings?due=true"))
    await post(operator, "/recordings/r1/hold", {"reason": "a case"})
    assert "due to be erased" not in seen(await get(operator, "/recordings?due=true")).partition("Created")[2]
