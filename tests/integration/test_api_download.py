"""A download by the API: a URL of the bucket, made when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.errors import StoreUnavailableError
from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import ARCHIVED, SIGNED, Outside, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


async def test_a_download_leads_to_the_bucket_and_is_logged_without_its_url(
    database: Database, api_viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        answer = await api_viewer.get("/api/recordings/r1/download")
    assert answer.status_code == 307
    assert answer.headers["location"] == SIGNED
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == b""
    assert events == [
        {
            "event": "download_url_issued",
            "recording_id": "r1",
            "token_name": "ci",
            "part": "operators",
            "log_level": "info",
        }
    ]
    assert outside.presigned == ["r1"]


@pytest.mark.parametrize("state", [state for state in State if state is not State.ARCHIVED])
async def test_what_is_not_archived_cannot_be_downloaded(
    database: Database, api_viewer: httpx.AsyncClient, outside: Outside, state: State
):
    await add(database, row("r1", state=state))
    with capture_logs() as events:
        answer = await api_viewer.get("/api/recordings/r1/download")
    assert_problem(answer, 409, f"recording r1 is {state}; only an archived one can be downloaded")
    assert (outside.presigned, events) == ([], [])


async def test_a_bucket_that_refuses_is_a_502_with_its_code(
    database: Database, api_viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED))
    outside.presign_error = StoreUnavailableError("presign: no credentials found")
    found = assert_problem(await api_viewer.get("/api/recordings/r1/download"), 502, "presign: no credentials found")
    assert found["code"] == StoreUnavailableError.code
