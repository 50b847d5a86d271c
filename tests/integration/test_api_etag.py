"""Single resources are asked for anew by their ETag, and sent only where they have changed."""

from __future__ import annotations

import httpx
import pytest

from receiver.tables import Database
from tests.support.api import bearer
from tests.support.operators import ARCHIVED, OPERATOR, VIEWER, add, add_delivery, row

SINGLE = ("/api/recordings/r1", "/api/meetings/m1", "/api/deliveries/d1", "/openapi.json")


@pytest.fixture
async def one_of_each(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED))
    await add_delivery(database, body=b"{}", recording_ids=("r1",))


@pytest.mark.usefixtures("one_of_each")
@pytest.mark.parametrize("path", SINGLE)
async def test_what_has_not_changed_is_not_sent_again(api_viewer: httpx.AsyncClient, path: str):
    first = await api_viewer.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await api_viewer.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), known
    other = await api_viewer.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.usefixtures("one_of_each")
async def test_a_change_has_another_etag(api_operator: httpx.AsyncClient):
    paths = ("/api/recordings/r1", "/api/meetings/m1")
    before = [(await api_operator.get(path)).headers["etag"] for path in paths]
    await api_operator.post("/api/recordings/r1/hold", json={"reason": "a case"})
    for path, etag in zip(paths, before, strict=True):
        answer = await api_operator.get(path, headers={"If-None-Match": etag})
        assert (answer.status_code, answer.headers["etag"] != etag) == (200, True)


@pytest.mark.usefixtures("one_of_each")
async def test_what_one_role_may_read_is_not_confirmed_to_another(anonymous: httpx.AsyncClient):
    asked = [await anonymous.get("/api/deliveries/d1", headers=bearer(token)) for token in (VIEWER, OPERATOR)]
    assert len({answer.headers["etag"] for answer in asked}) == 2
    assert {answer.headers["vary"] for answer in asked} == {"Authorization"}
    known = {"If-None-Match": asked[0].headers["etag"]}
    assert (await anonymous.get("/api/deliveries/d1", headers=known)).status_code == 401
