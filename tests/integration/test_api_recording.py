"""One recording by the API, in full or not there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from receiver.records import State
from tests.support.api import NOT_FOUND, assert_problem
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


async def test_a_recording_in_full(database: Database, api_viewer: httpx.AsyncClient):
    whole = row(
        "r1",
        updated_at=NOW + timedelta(milliseconds=250),
        **DESCRIBED,
        **ARCHIVED,
    )
    await add(
        database,
        whole,
        taking_part=[("r1", 0, 9), ("r1", 1, 7)],
        invited=[("r1", 0, 9, "zoe@example.com"), ("r1", 1, None, "anna@example.com")],
    )
    answer = await api_viewer.get("/api/recordings/r1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == {
        "id": "r1",
        "meeting": {
            "id": "m1",
            "name": "Weekly",
            "start_date": "2026-11-23T11:00:00Z",
            "end_date": "2026-11-23T12:00:00Z",
            "attendees": [{"id": 9, "email": "zoe@example.com"}, {"id": None, "email": "anna@example.com"}],
        },
        "host": {"id": 2**53 + 1, "name": "Zoë", "login": "zoe", "email": "zoe@example.com"},
        "participant_ids": [9, 7],
        "participants_count": 2,
        "file_uid": "f-1",
        "duration_s": 61.5,
        "vendor_size": 12.25,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00.250000Z",
        "state": "archived",
        "attempts": 2,
        "next_attempt_at": None,
        "error": None,
        "archive": {
            "bucket": "team",
            "key": "recordings/2026/11/23/m/r.mp4",
            "file_version": 1,
            "version_id": "v1",
            "size_bytes": 5_000_000_000,
            "sha256": "ab" * 32,
            "checksum": "crc64nvme:AAAAAAAAAAA=",
            "content_type": "video/mp4",
            "archived_at": "2026-11-23T12:00:00Z",
            "verified_at": None,
            "fixity": None,
            "incomplete": None,
            "proof": {
                "method": "full_object",
                "algorithm": "crc64nvme",
                "value": "AAAAAAAAAAA=",
                "verified_by": "store",
                "at": "2026-11-23T12:00:00Z",
            },
        },
        "transfer": None,
        "hold": True,
        "expires_at": None,
        "url_origin": "api",
        "first_seen": {"via": "webhook", "at": "2026-11-23T12:00:00Z"},
    }


async def test_a_recording_that_failed(database: Database, api_viewer: httpx.AsyncClient):
    failure = {"error_code": "source_denied", "error_message": "403", "error_at": NOW}
    await add(database, row("r1", state=State.WAITING, next_attempt_at=NOW + timedelta(hours=1), **failure))
    found = (await api_viewer.get("/api/recordings/r1")).json()
    assert found["error"] == {"code": "source_denied", "message": "403", "at": "2026-11-23T12:00:00Z"}
    assert found["next_attempt_at"] == "2026-11-23T13:00:00Z"
    assert (found["archive"], found["url_origin"], found["participant_ids"]) == (None, None, [])
    assert found["host"] == {"id": None, "name": None, "login": None, "email": None}


@pytest.mark.parametrize(
    ("recording_id", "detail"),
    [
        ("nope", "there is no recording nope"),
        ("a" * 64, f"there is no recording {'a' * 64}"),
        ("a" * 65, NOT_FOUND),
        ("a.b", NOT_FOUND),
        ("a%20b", NOT_FOUND),
        ("a%00", NOT_FOUND),
        ("a%0A", NOT_FOUND),
        ("%D9%A3", NOT_FOUND),
        ("a%2Fb", "nothing is served at this path"),
    ],
)
async def test_no_such_recording(api_operator: httpx.AsyncClient, recording_id: str, detail: str):
    assert_problem(await api_operator.get(f"/api/recordings/{recording_id}"), 404, detail)
    assert_problem(await api_operator.get(f"/api/recordings/{recording_id}/download"), 404, detail)
    for action in ("retry", "cancel", "hold", "release"):
        json = {"reason": "a case"} if action in {"hold", "release"} else None
        assert_problem(await api_operator.post(f"/api/recordings/{recording_id}/{action}", json=json), 404, detail)
