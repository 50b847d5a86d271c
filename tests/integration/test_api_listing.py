"""The API's listing of recordings: filters, orders and pages."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import ARCHIVED, NOW, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/api/recordings?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.fixture
async def three(database: Database) -> None:
    """Three recordings a day apart, each unlike the others in every filter."""
    await add(
        database,
        row(
            "old",
            created_at=NOW - timedelta(days=2),
            state=State.FAILED,
            meeting_id="m-old",
            host_id=1,
            meeting_name="Weekly sync",
            host_name="Anna",
            host_email="anna@example.com",
            meeting_start_at=NOW - timedelta(days=2, hours=1),
        ),
        row(
            "mid",
            created_at=NOW - timedelta(days=1),
            meeting_id="m-mid",
            host_id=2,
            meeting_name="100% Straße",
            host_name="Bob",
            host_email="bob_b@example.com",
            meeting_start_at=NOW - timedelta(days=3),
            **{**ARCHIVED, "archived_at": NOW},
        ),
        row(
            "new",
            meeting_id="m-new",
            host_id=3,
            meeting_name="Weekly retro",
            host_name="Bob",
            host_email="bobxb@example.com",
            **{**ARCHIVED, "archived_at": NOW - timedelta(hours=1)},
        ),
        taking_part=[("old", 0, 10), ("old", 1, 11), ("mid", 0, 11), ("new", 0, 12)],
        invited=[("old", 0, 20, "Zoë@example.org"), ("new", 0, None, "zoe@example.org"), ("new", 1, 21, None)],
    )


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "new mid old"),
        ("state=archived", "new mid"),
        ("state=archived,failed", "new mid old"),
        ("state=failed&state=pending", "old"),
        ("meeting_id=m-mid", "mid"),
        ("meeting_id=m-none", ""),
        ("host_id=3", "new"),
        ("participant_id=11", "mid old"),
        ("participant_id=13", ""),
        ("q=weekly", "new old"),
        ("q=WEEKLY+anna", "old"),
        ("q=bob_b", "mid"),
        ("q=100%25", "mid"),
        ("q=STRASSE", "mid"),
        ("q=stra%C3%9Fe", "mid"),
        ("q=%27%20OR%201%3D1%20--", ""),
        ("q=++", "new mid old"),
        ("created_at[gte]=2026-11-22T12:00:00Z", "new mid"),
        ("created_at[gt]=2026-11-22T12:00:00Z", "new"),
        ("created_at[lte]=2026-11-22T12:00:00Z", "mid old"),
        ("created_at[lt]=2026-11-22T12:00:00", "old"),
        ("created_at%5Bgte%5D=2026-11-22&created_at%5Blt%5D=2026-11-23", "mid"),
        ("created_at[gte]=1795348800", "new mid"),
        ("created_at[gt]=2026-11-22T14:00:00+02:00", "new"),
        ("archived_at[lt]=2026-11-23T12:00:00Z", "new"),
        ("archived_at[gte]=2026-11-23T12:00:00Z", "mid"),
        ("start_date[gt]=2026-11-20T12:00:00Z", "old"),
        ("start_date[lte]=2026-11-20T12:00:00Z", "mid"),
        ("attendee=20", "old"),
        ("attendee=ZOE@example.org", "new old"),
        ("attendee=zoe", ""),
        ("q=zoe@example", "new old"),
        ("q=example.org", "new old"),
        ("q=ex+%2F+bob", "new mid"),
        ("state=archived&q=bob&host_id=2&created_at[lt]=2026-11-23", "mid"),
        ("sort=created_at", "old mid new"),
        ("sort=-created_at", "new mid old"),
        ("sort=archived_at", "old new mid"),
        ("sort=-archived_at", "mid new old"),
        ("sort=start_date", "new mid old"),
        ("sort=-start_date", "old mid new"),
    ],
)
async def test_filters_and_orders(api_viewer: httpx.AsyncClient, query: str, expected: str):
    assert await ids(api_viewer, query) == expected.split()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("stat=failed", "the parameter 'stat' is not known (did you mean state?); known are state, meeting_id, "),
        ("limit=1&limit=2", "limit= is given more than once; give it once"),
        ("limit=0", "limit='0' is out of range; choose 1 to 1000"),
        ("limit=1001", "limit='1001' is out of range; choose 1 to 1000"),
        ("state=gone", "state='gone' is not known"),
        ("created_at[gte]=soon", "created_at[gte]='soon' is not a time; give ISO 8601"),
        (
            "sort=name",
            "sort='name' is not known; choose one of -archived_at, -created_at, -duration_s, -size_bytes, ",
        ),
        ("cursor=abc", "cursor= is not one that this listing gave out"),
        ("cursor=", "cursor= is not one that this listing gave out"),
        ("cursor=%D9%A3", "cursor= is not one that this listing gave out"),
        ("q=%00", "q= contains a NUL character"),
    ],
)
async def test_refused_queries(api_viewer: httpx.AsyncClient, query: str, detail: str):
    found = assert_problem(await api_viewer.get(f"/api/recordings?{query}"), 400, detail)
    assert found["title"] == "Invalid query"


@pytest.mark.usefixtures("three")
async def test_the_next_link_keeps_every_other_parameter(api_viewer: httpx.AsyncClient):
    asked = "state=archived,failed&state=pending&q=weekly+%40example&created_at[gte]=2026-01-01&sort=created_at&limit=1"
    answer = await api_viewer.get(f"/api/recordings?{asked}")
    cursor = answer.json()["next"]
    assert answer.headers["link"] == f'<{answer.links["next"]["url"]}>; rel="next"'
    target = urlsplit(answer.links["next"]["url"])
    assert (target.scheme, target.netloc, target.path) == ("", "", "/api/recordings")
    assert parse_qsl(target.query) == [*parse_qsl(asked), ("cursor", cursor)]
    following = await api_viewer.get(answer.links["next"]["url"])
    assert [item["id"] for item in following.json()["items"]] == ["new"]
    assert following.json()["next"] is None
    assert "link" not in following.headers


@pytest.mark.usefixtures("three")
async def test_a_cursor_of_another_order_or_listing_or_altered_is_refused(api_viewer: httpx.AsyncClient):
    cursor = (await api_viewer.get("/api/recordings?limit=1")).json()["next"]
    altered = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for query in (f"sort=created_at&cursor={cursor}", f"cursor={altered}"):
        assert_problem(await api_viewer.get(f"/api/recordings?{query}"), 400, "start again without it")
    assert_problem(await api_viewer.get(f"/api/deliveries?cursor={cursor}"), 400, "start again without it")


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "archived_at", "-archived_at", "start_date"])
async def test_paging_meets_each_of_a_thousand_once_while_others_arrive(
    database: Database, api_viewer: httpx.AsyncClient, sort: str
):
    chance = random.Random(7)  # noqa: S311
    stamps = [NOW - timedelta(minutes=chance.randrange(200)) for _ in range(1000)]  # many share one time
    first = [
        row(f"r{i:04}", created_at=at, **(ARCHIVED | {"archived_at": at} if i % 3 else {}))
        for i, at in enumerate(stamps)
    ]
    await add(database, *first)
    seen: list[str] = []
    url: str | None = f"/api/recordings?limit=97&sort={sort}"
    pages = 0
    while url:
        answer = await api_viewer.get(url)
        seen += [item["id"] for item in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
        pages += 1
        late = [row(f"z{pages:03}-{j}", created_at=NOW - timedelta(minutes=chance.randrange(200))) for j in range(5)]
        await add(database, *late)
    assert pages >= 11
    assert len(seen) == len(set(seen))
    old = [one for one in seen if one.startswith("r")]
    assert sorted(old) == [one["id"] for one in first]
    if sort.endswith("created_at"):
        by_time = sorted(first, key=lambda r: (r["created_at"], r["id"]), reverse=sort.startswith("-"))
        assert old == [one["id"] for one in by_time]


async def test_the_largest_and_the_default_page(database: Database, api_viewer: httpx.AsyncClient):
    await add(database, *(row(f"r{i:04}") for i in range(1001)))
    assert len(await ids(api_viewer)) == 100
    assert len(await ids(api_viewer, "limit=1000")) == 1000
    assert await ids(api_viewer, "limit=1") == ["r1000"]
