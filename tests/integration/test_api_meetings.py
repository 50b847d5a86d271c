"""One meeting by the API, with its recordings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx

from tests.support.api import NOT_FOUND, assert_problem
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


async def test_a_meeting_is_as_its_newest_recording_has_it(database: Database, api_viewer: httpx.AsyncClient):
    await add(
        database,
        row("old", created_at=NOW - timedelta(days=1), meeting_name="Before", **ARCHIVED),
        row("new", **DESCRIBED),
        row("other", meeting_id="m2"),
        invited=[("new", 0, 7, "anna@example.com")],
    )
    answer = await api_viewer.get("/api/meetings/m1")
    found = answer.json()
    recordings = found.pop("recordings")
    assert found == {
        "id": "m1",
        "name": "Weekly",
        "start_date": "2026-11-23T11:00:00Z",
        "end_date": "2026-11-23T12:00:00Z",
        "host": {"id": 2**53 + 1, "name": "Zoë", "login": "zoe", "email": "zoe@example.com"},
        "attendees": [{"id": 7, "email": "anna@example.com"}],
        "next": None,
    }
    assert recordings == [(await api_viewer.get(f"/api/recordings/{one}")).json() for one in ("new", "old")]
    assert "link" not in answer.headers


async def test_the_recordings_of_a_meeting_come_by_pages(database: Database, api_viewer: httpx.AsyncClient):
    times = (timedelta(hours=hours) for hours in range(3))
    await add(database, *(row(f"r{n}", created_at=NOW + at, meeting_name=f"n{n}") for n, at in enumerate(times)))
    url: str | None = "/api/meetings/m1?limit=2"
    seen = []
    while url:
        answer = await api_viewer.get(url)
        seen.append((answer.json()["name"], [one["id"] for one in answer.json()["recordings"]]))
        url = answer.links.get("next", {}).get("url")
    assert seen == [("n2", ["r2", "r1"]), ("n2", ["r0"])]


async def test_no_such_meeting(database: Database, api_viewer: httpx.AsyncClient):
    await add(database, row("r1"))
    assert_problem(await api_viewer.get("/api/meetings/m2"), 404, "there is no recording of a meeting m2")
    assert_problem(await api_viewer.get("/api/meetings/a.b"), 404, NOT_FOUND)
    assert_problem(await api_viewer.get("/api/meetings/m1?sort=id"), 400, "the parameter 'sort' is not known")
    assert_problem(await api_viewer.get("/api/meetings/m1?cursor=x"), 400, "cursor= is not one that this listing")
