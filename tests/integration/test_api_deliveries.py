"""Deliveries by the API: their listing, and a body for those who may read it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.api import NOT_FOUND, assert_problem, bearer
from tests.support.operators import ADMIN, NOW, OPERATOR, VIEWER, add_delivery

if TYPE_CHECKING:
    from receiver.tables import Database

BODY = '[{"_id": "r1", "name": "é"}]'.encode() + b"\xff"


@pytest.fixture
async def two_deliveries(database: Database) -> None:
    bad = [{"index": 1, "errors": ["_id: missing; give one"]}]
    earlier = {"status": "accepted", "received_at": NOW - timedelta(days=1)}
    await add_delivery(database, "d1", body=BODY, recording_ids=("r1",), **earlier)
    await add_delivery(database, "d2", body=BODY, recording_ids=("r2", "r1"), rejected=bad)


@pytest.mark.usefixtures("two_deliveries")
async def test_deliveries_newest_first_by_pages(api_operator: httpx.AsyncClient):
    answer = await api_operator.get("/api/deliveries?limit=1")
    assert answer.json()["items"] == [
        {
            "id": "d2",
            "received_at": "2026-11-23T12:00:00Z",
            "status": "partial",
            "body_sha256": "d2" * 32,
            "body_bytes": len(BODY),
            "recordings": ["r2", "r1"],
            "recordings_count": 2,
            "rejected": [{"index": 1, "errors": ["_id: missing; give one"]}],
            "rejected_count": 1,
            "reason": None,
            "body": None,
        }
    ]
    second = (await api_operator.get(answer.links["next"]["url"])).json()
    assert ([item["id"] for item in second["items"]], second["next"]) == (["d1"], None)
    found = (await api_operator.get("/api/deliveries?status=accepted")).json()["items"]
    assert [item["id"] for item in found] == ["d1"]


async def test_a_listing_counts_what_an_older_release_stored_without_bound(
    database: Database, api_viewer: httpx.AsyncClient
):
    rejected = [{"index": n, "errors": ["callRecords: must be an object"]} for n in range(5000)]
    await add_delivery(database, "d1", body=BODY, recording_ids=[f"r{n}" for n in range(5000)], rejected=rejected)
    answer = await api_viewer.get("/api/deliveries")
    (listed,) = answer.json()["items"]
    assert (listed["recordings_count"], listed["rejected_count"]) == (5000, 5000)
    assert (len(listed["recordings"]), listed["rejected"]) == (20, [])
    assert len(answer.content) < 1000
    whole = (await api_viewer.get("/api/deliveries/d1")).json()
    assert (len(whole["recordings"]), len(whole["rejected"])) == (5000, 5000)


@pytest.mark.usefixtures("two_deliveries")
async def test_the_body_is_for_operators(anonymous: httpx.AsyncClient):
    bodies = {}
    for token in (VIEWER, OPERATOR, ADMIN):
        answer = await anonymous.get("/api/deliveries/d2", headers=bearer(token))
        assert (answer.status_code, answer.json()["recordings"]) == (200, ["r2", "r1"])
        bodies[token] = answer.json()["body"]
    assert bodies == {VIEWER: None, OPERATOR: BODY.decode("utf-8", "replace"), ADMIN: BODY.decode("utf-8", "replace")}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/deliveries/nope", 404, "there is no delivery nope"),
        ("/api/deliveries/a.b", 404, NOT_FOUND),
        ("/api/deliveries?status=ok", 400, "status='ok' is not known; choose from accepted, partial, rejected"),
        ("/api/deliveries?state=ok", 400, "(did you mean status?); known are status, limit, cursor"),
        ("/api/deliveries?limit=1001", 400, "limit='1001' is out of range"),
        ("/api/deliveries?cursor=x", 400, "cursor= is not one that this listing gave out"),
    ],
)
async def test_refused_questions_about_deliveries(api_viewer: httpx.AsyncClient, path: str, status: int, detail: str):
    assert_problem(await api_viewer.get(path), status, detail)
