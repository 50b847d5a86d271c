"""The API's answers to a database that is down, a defect, and paths that are not there."""

from __future__ import annotations

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.errors import StorageUnavailableError
from tests.support.api import ALL, ASKED, assert_problem, bearer, client_of
from tests.support.operators import ADMIN, VIEWER, Broken, Outside


async def test_a_database_that_is_down_is_a_503_to_be_asked_again(outside: Outside):
    broken = Broken(StorageUnavailableError("db-7.internal refused"))
    async with client_of(broken, broken, outside, replay=broken.take_in, erasing=broken) as client:
        for method, path in ALL:
            body = {"json": ASKED[path]} if method != "GET" and path in ASKED else {}
            answer = await client.request(method, path, headers=bearer(ADMIN), **body)
            assert_problem(answer, 503, "the database cannot take the request now; send it again")
            assert answer.headers["retry-after"] == "5"
            assert "db-7" not in answer.text
    assert outside.woken == 0


async def test_a_defect_is_logged_and_shows_no_internals(outside: Outside):
    broken = Broken(KeyError("inner-secret"))
    async with client_of(broken, broken, outside) as client:
        with capture_logs() as events:
            answer = await client.get("/api/recordings/r1", headers=bearer(VIEWER))
    assert_problem(answer, 500, "the service met a defect of its own; its log has the details")
    assert "inner-secret" not in answer.text
    (event,) = events
    assert (event["event"], event["route"], event["method"]) == ("request_failed", "/api/recordings/{id}", "GET")
    assert isinstance(event["exc_info"], KeyError)


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/api", 404, "nothing is served at this path"),
        ("GET", "/api/nothing", 404, "nothing is served at this path"),
        ("POST", "/api/recordings/r1/erase", 404, "nothing is served at this path"),
        ("POST", "/api/recordings", 405, "this path takes GET, HEAD"),
        ("GET", "/api/recordings/r1/retry", 405, "this path takes POST"),
        ("PUT", "/api/recordings/r1", 405, "this path takes DELETE, GET, HEAD"),
        ("PUT", "/healthz", 405, "this path takes GET, HEAD"),
    ],
)
async def test_paths_and_methods_that_are_not_there(
    api_viewer: httpx.AsyncClient, method: str, path: str, status: int, detail: str
):
    answer = await api_viewer.request(method, path)
    assert_problem(answer, status, detail)
    if status == 405:
        assert answer.headers["allow"] == detail.removeprefix("this path takes ")
