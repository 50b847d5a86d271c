"""Facts, "Errors": statuses, and the three shapes of `errors`.

Fact: the platform's test; the client's.
- `{"base": [s]}`, `[s]`, `{field: [s]}`: test_a_refused_session_is_said_in_the_vendors_shapes;
  test_each_shape_is_repeated_in_the_clients_words, test_vendors_text_of_every_shape
- 422 is also a bad signature: test_a_refused_session_is_said_in_the_vendors_shapes;
  test_a_refused_login_repeats_the_vendors_words_and_no_secret
- 400 401 403 404 422 429 500 503: test_every_documented_status_is_an_error_of_its_kind, both sides
- 200 201 202: test_any_good_status_opens_a_session; test_a_good_status_that_no_listing_has_is_not_read_as_one
- `Retry-After` where present: test_status; test_no_request_is_sent_before_the_pause_is_over
- no endpoint lists all meetings for an admin: test_what_is_not_there_is_not_found
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiLoginRefusedError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnauthorizedError,
    ApiUnavailableError,
    RecordingGoneError,
)
from tests.support.vendor import ADMIN, JSON, KEY, login, session_body

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHAPES = [
    ({"base": ["Required session does not exist"]}, "Required session does not exist"),
    (["Token is required"], "Token is required"),
    ({"password": ["cannot be blank"]}, "password cannot be blank"),
]


@pytest.mark.parametrize(
    ("changes", "status", "errors"),
    [
        ({"auth_key": "other"}, 404, ["No application found"]),
        ({"application_id": 1}, 404, ["No application found"]),
        ({"timestamp": 1}, 422, {"base": ["Bad timestamp"]}),
        ({"nonce": "1", "signature": "0" * 40}, 422, {"base": ["Unexpected signature"]}),
        ({"signature": "0" * 40}, 422, {"nonce": ["cannot be blank"]}),
        ({"user": {"login": "archive-bot", "password": "wrong"}}, 401, ["Unauthorized"]),
        ({"user": {"login": "archive-bot"}}, 422, {"password": ["cannot be blank"]}),
        ({"user": {"login": "archive-bot", "password": ""}}, 422, {"password": ["cannot be blank"]}),
        ({"user": {"password": "x"}}, 422, {"login": ["cannot be blank"]}),
        ({"timestamp": None, "nonce": "1", "signature": "0" * 40}, 422, {"timestamp": ["cannot be blank"]}),
        ({"application_id": "no"}, 422, {"application_id": ["is invalid"]}),
    ],
)
async def test_a_refused_session_is_said_in_the_vendors_shapes(vendor, changes, status, errors):
    answer = await vendor.http.post("/session", json=session_body(**changes))
    assert (answer.status_code, answer.json()) == (status, {"errors": errors})


@pytest.mark.parametrize("path", ["/meetings", "/meetings/recordings/x", "/admin/meetings/recordings/x"])
async def test_without_a_token_or_key_nothing_is_listed(vendor, path):
    answer = await vendor.http.get(path)
    assert (answer.status_code, answer.json()) == (401, {"errors": ["Token is required"]})


@pytest.mark.parametrize("headers", [{"CB-Administration-API-Key": "wrong"}, {"CB-Administration-API-Key": "ä"}])
async def test_a_wrong_admin_key_is_401(vendor, headers):
    headers = {name: value.encode() for name, value in headers.items()}
    answer = await vendor.http.get("/admin/meetings/recordings/x", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"errors": ["Unauthorized"]})


@pytest.mark.parametrize(("raw", "status"), [(b"{not json", 400), (b"[1]", 422), (b"", 422), (b"\xff", 400)])
async def test_a_body_that_is_no_object_is_refused(vendor, host, raw, status):
    answer = await vendor.http.post("/meetings", content=raw, headers={**host.headers, **JSON})
    assert (answer.status_code, list(answer.json())) == (status, ["errors"])


async def test_what_is_not_there_is_not_found(vendor):
    assert (await vendor.http.get("/nowhere")).json() == {"errors": ["Not found"]}
    answer = await vendor.http.patch("/meetings")
    assert (answer.status_code, answer.json()) == (405, {"errors": ["Method not allowed"]})
    answer = await vendor.http.get("/admin/meetings", headers=ADMIN)  # no endpoint lists all meetings for an admin
    assert answer.status_code == 405


@pytest.mark.parametrize(("errors", "words"), SHAPES)
async def test_each_shape_is_repeated_in_the_clients_words(vendor, errors, words):
    scene = await vendor.finished({})
    await vendor.fault("status", match=scene["meeting"]["_id"], status=422, body=json.dumps({"errors": errors}))
    async with vendor.client() as client:
        with pytest.raises(ApiRefusedError, match=f"status 422: {words}"):
            await client.recordings(scene["meeting"]["_id"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"auth_secret": "wrong-secret"}, "status 422: Unexpected signature"),
        ({"app_id": 1}, "status 404: No application found"),
        ({"password": "wrong-password"}, "status 401: Unauthorized"),
        ({"password": ""}, "status 422: password cannot be blank"),
    ],
)
async def test_a_refused_login_repeats_the_vendors_words_and_no_secret(vendor, change, words):
    async with vendor.client(replace(login(), **change)) as client:
        with pytest.raises(ApiLoginRefusedError, match=words) as caught:
            await client.recordings("602f926aaa81493ce4c5788e")
    assert "wrong-" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ApiRefusedError),
        (401, ApiUnauthorizedError),
        (403, ApiForbiddenError),
        (404, RecordingGoneError),
        (422, ApiRefusedError),
        (429, ApiPausedError),
        (500, ApiUnavailableError),
        (503, ApiUnavailableError),
    ],
)
async def test_every_documented_status_is_an_error_of_its_kind(vendor, status, error):
    scene = await vendor.finished({})
    meeting_id = scene["meeting"]["_id"]
    await vendor.fault("status", match=meeting_id, status=status)
    answer = await vendor.http.get(f"/admin/meetings/recordings/{meeting_id}", headers=ADMIN)
    assert (answer.status_code, list(answer.json())) == (status, ["errors"])
    await vendor.fault("status", match=meeting_id, status=status)
    async with vendor.client(KEY) as client:
        with pytest.raises(error) as caught:
            await client.recordings(meeting_id)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [201, 202])
async def test_a_good_status_that_no_listing_has_is_not_read_as_one(vendor, status):
    """An empty array with 202 may mean "not yet"; read as a listing it would say that there are no recordings."""
    scene = await vendor.finished({})
    await vendor.fault("status", match=scene["meeting"]["_id"], status=status, body="[]")
    async with vendor.client() as client:
        with pytest.raises(ApiBadAnswerError, match=f"status {status}"):
            await client.recordings(scene["meeting"]["_id"])


@pytest.mark.parametrize("status", [200, 202])
async def test_any_good_status_opens_a_session(vendor, status):
    scene = await vendor.finished({})
    session = (await vendor.http.post("/session", json=session_body())).text
    await vendor.fault("status", match="/session", status=status, body=session)
    async with vendor.client(login()) as client:
        assert len(await client.recordings(scene["meeting"]["_id"])) == 1
