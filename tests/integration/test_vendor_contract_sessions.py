"""Facts, "Sessions": who may ask, proven by a session.

Fact: the platform's test; the client's.
- `POST /session` is 201 with token, user_id, ts: test_the_answer; test_every_way_in_lists_recordings
- plain or signed, by login or e-mail, JSON or form: test_every_form_opens_a_session; test_every_way_in_lists_recordings
- the signature, over sorted parameters: test_every_form_opens_a_session;
  test_login_with_auth_secret_is_signed_over_sorted_parameters
- a time stamp within 60 minutes: test_a_time_stamp_may_be_an_hour_off; test_refused_login
- time stamp and nonce once: test_a_nonce_is_taken_once_with_its_time_stamp;
  test_nonces_differ
- two hours, prolonged by each request, told in `CB-Token-ExpirationDate`:
  test_each_request_prolongs_the_token_by_two_hours; test_token_is_used_until_shortly_before_its_end
- a lost session costs one login: test_a_lost_session_is_told_in_the_vendors_words;
  test_lost_session_costs_one_login_under_fifty_jobs
- unknown credentials may make a user: test_unknown_credentials_make_a_user_once;
  test_a_user_made_on_the_fly_is_not_the_one_expected
"""

from __future__ import annotations

import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from receiver.errors import ApiLoginRefusedError
from receiver.meetings import StaticToken, UserLogin
from receiver.records import UrlOrigin
from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.vendor import BOT_ID, KEY, login, session_body

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOST = {"errors": {"base": ["Required session does not exist"]}}
SECRET = "sandbox-auth-secret"
NONCES = count(33432)


def signed(body, nonce):
    """Sign by hand what the fact says: parameters sorted by name, the user's written `user[…]`, HMAC-SHA1 in hex."""
    ((name, value),) = ((n, v) for n, v in body["user"].items() if n != "password")
    line = (
        f"application_id=4242&auth_key=sandbox-auth-key&nonce={nonce}&timestamp={body['timestamp']}"
        f"&user[{name}]={value}&user[password]={body['user']['password']}"
    )
    return {**body, "nonce": nonce, "signature": hmac.new(SECRET.encode(), line.encode(), hashlib.sha1).hexdigest()}


def as_form(body):
    user = {f"user[{name}]": value for name, value in body["user"].items()}
    return {name: str(value) for name, value in body.items() if name != "user"} | user


async def test_the_answer(vendor):
    body = session_body()
    answer = await vendor.http.post("/session", json=body)
    session = answer.json()["session"]
    assert answer.status_code == 201
    assert (session["user_id"], session["application_id"], session["ts"]) == (BOT_ID, 4242, body["timestamp"])
    assert (session["user"]["id"], session["user"]["login"]) == (BOT_ID, "archive-bot")
    assert "password" not in session["user"]
    listed = await vendor.http.get("/meetings", headers={"CB-Token": session["token"]})
    assert listed.status_code == 200


@pytest.mark.parametrize("encoding", ["json", "data"])
@pytest.mark.parametrize("nonce_type", [None, str, int], ids=["plain", "signed", "signed with a number"])
@pytest.mark.parametrize(
    "name", [{"login": "archive-bot"}, {"email": "archive-bot@example.com"}], ids=["login", "email"]
)
async def test_every_form_opens_a_session(vendor, name, nonce_type, encoding):
    body = session_body(user={**name, "password": "sandbox-password"})
    if nonce_type is not None:
        body = signed(body, nonce_type(next(NONCES)))
    answer = await vendor.http.post("/session", **{encoding: body if encoding == "json" else as_form(body)})
    assert answer.status_code == 201, answer.text
    assert answer.json()["session"]["user_id"] == BOT_ID


async def test_a_nonce_is_taken_once_with_its_time_stamp(vendor):
    body = session_body()
    assert (await vendor.http.post("/session", json=signed(body, "77001"))).status_code == 201
    again = await vendor.http.post("/session", json=signed(body, "77001"))
    assert (again.status_code, list(again.json()["errors"])) == (422, ["nonce"])
    later = session_body(timestamp=body["timestamp"] - 1)
    assert (await vendor.http.post("/session", json=signed(later, "77001"))).status_code == 201


@pytest.mark.parametrize(("minutes", "status"), [(-59, 201), (59, 201), (-61, 422), (61, 422)])
async def test_a_time_stamp_may_be_an_hour_off(vendor, minutes, status):
    answer = await vendor.http.post("/session", json=session_body(timestamp=int(time.time()) + minutes * 60))
    assert answer.status_code == status
    assert status == 201 or answer.json() == {"errors": {"base": ["Bad timestamp"]}}


async def test_unknown_credentials_make_a_user_once(vendor):
    body = session_body(user={"login": "newcomer", "password": "pass-word-1"})
    first, second = [(await vendor.http.post("/session", json=body)).json()["session"] for _ in range(2)]
    assert first["user_id"] == second["user_id"] != BOT_ID
    assert first["token"] != second["token"]


async def test_unknown_credentials_are_refused_where_configured():
    async with Sandbox(SandboxConfig(create_users=False)) as strict, httpx.AsyncClient(base_url=strict.url) as http:
        answer = await http.post("/session", json=session_body(user={"login": "newcomer", "password": "x"}))
    assert (answer.status_code, answer.json()) == (401, {"errors": ["Unauthorized"]})


async def test_a_lost_session_is_told_in_the_vendors_words(vendor, host):
    assert (await vendor.http.delete("/session", headers=host.headers)).status_code == 200
    answer = await vendor.http.get("/meetings", headers=host.headers)
    assert (answer.status_code, answer.json()) == (401, LOST)


async def test_a_session_without_a_user_may_not_list(vendor):
    body = session_body()
    del body["user"]
    token = (await vendor.http.post("/session", json=body)).json()["session"]["token"]
    assert (await vendor.http.get("/meetings", headers={"CB-Token": token})).status_code == 403


async def test_each_request_prolongs_the_token_by_two_hours(vendor, host):
    session = vendor.sandbox._platform.sessions._sessions[host.headers["CB-Token"]]
    assert session.expires_at == pytest.approx(time.time() + 7200, abs=5)
    session.expires_at = time.time() + 30
    answer = await vendor.http.get("/meetings", headers=host.headers)
    stamp = time.strptime(answer.headers["cb-token-expirationdate"], "%Y-%m-%d %H:%M:%S UTC")
    assert time.mktime(stamp) - time.mktime(time.gmtime()) == pytest.approx(7200, abs=5)
    session.expires_at = time.time() - 1
    answer = await vendor.http.get("/meetings", headers=host.headers)
    assert (answer.status_code, answer.json()) == (401, LOST)


@pytest.mark.parametrize(
    "credentials",
    [
        KEY,
        None,
        login(),
        login(email="archive-bot@example.com"),
        login(auth_secret=SECRET, expected_user_id=BOT_ID),
        login(auth_secret=SECRET, email="archive-bot@example.com"),
    ],
    ids=["admin key", "static token", "login", "e-mail", "signed login", "signed e-mail"],
)
async def test_every_way_in_lists_recordings(vendor, credentials):
    if credentials is None:
        answer = await vendor.http.post("/session", json=session_body())
        credentials = StaticToken(token=answer.json()["session"]["token"])
    scene = await vendor.finished({"size_bytes": 1000}, {"size_bytes": 2000})
    meeting_id, ids = scene["meeting"]["_id"], [one["_id"] for one in scene["recordings"]]
    await vendor.requests()
    async with vendor.client(credentials) as client:
        listed = await client.recordings(meeting_id)
        url = (await client.listed(ids[1], meeting_id)).url
    assert ([one.id for one in listed], {one.meeting_id for one in listed}) == (ids, {meeting_id})
    *logins, listing = await vendor.requests()
    header, prefix = ("cb-administration-api-key", "/admin") if credentials is KEY else ("cb-token", "")
    assert [(one["method"], one["path"]) for one in logins] == [("POST", "/session")] * isinstance(
        credentials, UserLogin
    )
    assert {name for name in listing["headers"] if name.startswith("cb-")} == {header}
    assert listing["path"] == f"{prefix}/meetings/recordings/{meeting_id}"
    life = timedelta(days=7) if credentials is KEY else timedelta(hours=1)
    assert abs(url.expires_at - datetime.now(UTC) - life) < timedelta(seconds=30)
    assert url.origin is UrlOrigin.API
    assert len((await vendor.http.get(url.url)).content) == 2000


async def test_a_user_made_on_the_fly_is_not_the_one_expected(vendor):
    scene = await vendor.finished({})
    mistyped = login(email="archive-bto@example.com", expected_user_id=BOT_ID)
    async with vendor.client(mistyped) as client:
        with pytest.raises(ApiLoginRefusedError, match=f"not of RECEIVER_API_USER_ID {BOT_ID}"):
            await client.recordings(scene["meeting"]["_id"])
    assert [one["path"] for one in await vendor.requests()][-1] == "/session"
