"""Who may use the API, and what the others are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.catalogue import Catalogue, Interventions
from receiver.records import State
from tests.support.api import ALL, WRITES, assert_problem, bearer, client_of
from tests.support.operators import ADMIN, ARCHIVED, OPERATOR, VIEWER, Outside, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize("header", [None, b"Bearer wrong", b"Basic " + VIEWER.encode(), b"Bearer \xff\xfe"])
async def test_no_good_token(
    database: Database, anonymous: httpx.AsyncClient, outside: Outside, method: str, path: str, header: bytes | None
):
    await add(database, row("r1", **ARCHIVED))
    headers = {b"authorization": header} if header is not None else {}
    answer = await anonymous.request(method, path, headers=headers)
    detail = "send the header Authorization: Bearer <token> with one of the service's ops tokens"
    assert assert_problem(answer, 401, detail)["title"] == "Unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (outside.presigned, outside.woken) == ([], 0)
    assert await Catalogue(database).counts() == {state: int(state is State.ARCHIVED) for state in State}


@pytest.mark.parametrize("path", WRITES)
async def test_a_viewer_may_not_change(database: Database, api_viewer: httpx.AsyncClient, outside: Outside, path: str):
    await add(database, row("r1", state=State.FAILED))
    detail = "this needs the role operator; the token 'ci' has the role viewer"
    assert_problem(await api_viewer.post(path), 403, detail)
    assert (await api_viewer.get("/api/recordings/r1")).json()["state"] == "failed"
    assert outside.woken == 0


@pytest.mark.parametrize("token", [OPERATOR, ADMIN])
async def test_an_operator_and_an_admin_may(database: Database, anonymous: httpx.AsyncClient, token: str):
    await add(database, row("r1", state=State.FAILED))
    anonymous.headers = httpx.Headers(bearer(token))
    assert (await anonymous.post("/api/recordings/r1/retry")).status_code == 200


@pytest.mark.parametrize("headers", [{}, bearer(VIEWER)])
async def test_without_configured_tokens_the_api_is_closed_and_says_why(
    database: Database, outside: Outside, headers: dict[bytes, bytes]
):
    async with client_of(Catalogue(database), Interventions(database), outside, tokens=()) as client:
        for method, path in ALL:
            answer = await client.request(method, path, headers=headers)
            assert_problem(answer, 403, "no token is configured; set RECEIVER_OPS_TOKENS")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200


async def test_guessing_is_slowed_for_failures_only(database: Database, anonymous: httpx.AsyncClient):
    for _ in range(20):
        assert (await anonymous.get("/api/stats")).status_code == 401
    answer = await anonymous.get("/api/stats", headers={"Authorization": "Bearer guess"})
    assert_problem(answer, 429, "too many requests without a good token came from this address")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await anonymous.get("/api/stats", headers=bearer(VIEWER))).status_code == 200


async def test_no_token_reaches_an_answer_or_the_log(database: Database, anonymous: httpx.AsyncClient):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        answers = [
            await anonymous.request(method, path, headers=bearer(token))
            for method, path in ALL
            for token in (VIEWER, OPERATOR, "x" + ADMIN)
        ]
    text = "".join(a.text + str(a.headers) for a in answers) + json.dumps(events)
    assert not [token for token in (VIEWER, OPERATOR, ADMIN) if token in text]
