"""Facts, "The vendor's own client": what its SDKs send and read beyond the page.

Fact: the platform's test. The JavaScript client itself: test_the_vendors_client_works_with_the_sandbox.
- each path with or without `.json`: test_every_path_may_end_in_json
- a session without time stamp, nonce and signature: test_a_session_needs_no_time_stamp
- a signed one needs them: test_a_refused_session_is_said_in_the_vendors_shapes
- a guest, for a day: test_a_guests_session_lives_one_day
- the panel may deny unknown users: test_unknown_credentials_are_refused_where_configured,
  test_a_guest_may_be_denied_too
- `CB-Token-ExpirationDate` in the session's answer too: test_a_new_session_tells_its_end
- `GET /session`: test_a_session_can_be_asked_for
- `POST /login`, `DELETE /login`: test_a_session_gets_and_loses_its_user, test_only_a_known_user_may_log_in
- one object for `_id`: test_a_meeting_asked_for_by_its_id_is_one_object; none is undocumented:
  test_no_meeting_of_that_id
- a list as `_id[]=a&_id[]=b` or `_id=a,b`, operators `or` and `all`: test_lists_of_values
- operators `ctn` and `start_with`: test_text_is_compared_by_its_parts
- `CB-Api-Version: 2`: test_version_2_of_a_listing
- which answers are empty: test_only_what_is_read_as_text_is_empty
- 401: test_a_lost_session_is_told_in_the_vendors_words
- `POST /admin/meetings` takes `user_id`: test_an_admin_creates_for_a_host, test_an_admin_must_name_the_host
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.vendor import ADMIN, BOT_ID, CREATE, session_body

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUEST = {"guest": "1", "full_name": "Olof Shodger"}
BOT = {"login": "archive-bot", "password": "sandbox-password"}
FORBIDDEN = 403  # what a session without a user hears


def unsigned(**changes):
    """Write a session's body as the newer clients do."""
    return {"application_id": "4242", "auth_key": "sandbox-auth-key", **changes}


def end_of(answer):
    return datetime.strptime(answer.headers["cb-token-expirationdate"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)


async def opened(vendor, **changes):
    """Open a session and return its headers and the session."""
    answer = await vendor.http.post("/session", json=unsigned(**changes))
    assert answer.status_code == 201, answer.text
    session = answer.json()["session"]
    return {"CB-Token": session["token"]}, session


async def test_every_path_may_end_in_json(vendor, host):
    scene = await vendor.finished({}, host_id=host.id)
    listing = f"/meetings/recordings/{scene['meeting']['_id']}"
    made = await vendor.create(host)
    asked = [
        ("POST", "/session", {}, session_body(), 201),
        ("GET", "/session", host.headers, None, 200),
        ("POST", "/login", host.headers, BOT, 202),
        ("POST", "/login", host.headers, {"email": host.email, "password": "pass-word-1"}, 202),
        ("POST", "/meetings", host.headers, CREATE, 201),
        ("GET", "/meetings", host.headers, None, 200),
        ("PUT", f"/meetings/{made['_id']}", host.headers, {"name": "New"}, 200),
        ("GET", listing, host.headers, None, 200),
        ("GET", f"/admin{listing}", ADMIN, None, 200),
        ("POST", "/admin/meetings", ADMIN, {**CREATE, "user_id": host.id}, 201),
        ("DELETE", f"/admin{listing}", ADMIN, None, 200),
        ("DELETE", f"/meetings/{made['_id']}", host.headers, None, 200),
        ("DELETE", "/login", host.headers, None, 200),
        ("DELETE", "/session", host.headers, None, 200),
    ]
    for method, path, headers, body, status in asked:
        answer = await vendor.http.request(method, f"{path}.json", json=body, headers=headers)
        assert (method, path, answer.status_code) == (method, path, status)
    assert (await vendor.http.get("/nowhere.json")).status_code == 404


async def test_a_session_needs_no_time_stamp(vendor):
    headers, session = await opened(vendor, user=BOT)
    assert (session["user_id"], session["application_id"], session["nonce"]) == (BOT_ID, 4242, None)
    assert session["ts"] == pytest.approx(time.time(), abs=5)
    assert (await vendor.http.get("/meetings", headers=headers)).status_code == 200


async def test_a_guests_session_lives_one_day(vendor):
    """Requests do not prolong it: the platform deletes the guest when the day is over."""
    headers, session = await opened(vendor, user=GUEST)
    guest = session["user"]
    assert (guest["is_guest"], guest["full_name"], guest["id"]) == (True, "Olof Shodger", session["user_id"])
    kept = vendor.sandbox._platform.sessions._sessions[session["token"]]
    assert kept.expires_at == pytest.approx(time.time() + 86_400, abs=5)
    kept.expires_at = time.time() + 30
    answer = await vendor.http.get("/meetings", headers=headers)
    assert (answer.json(), end_of(answer) - datetime.now(UTC) < timedelta(seconds=31)) == ([], True)
    again = await vendor.http.post("/session", json=unsigned(user={"login": guest["login"], "password": "x"}))
    assert again.status_code == 401


async def test_a_guest_may_be_denied_too():
    async with Sandbox(SandboxConfig(create_users=False)) as strict, httpx.AsyncClient(base_url=strict.url) as http:
        answer = await http.post("/session", json=unsigned(user=GUEST))
    assert (answer.status_code, answer.json()) == (401, {"errors": ["Unauthorized"]})


async def test_a_new_session_tells_its_end(vendor):
    answer = await vendor.http.post("/session", json=unsigned(user=BOT))
    assert abs(end_of(answer) - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=5)


async def test_a_session_can_be_asked_for(vendor):
    headers, session = await opened(vendor, user=BOT)
    answer = await vendor.http.get("/session", headers=headers)
    shown = answer.json()["session"]
    assert (answer.status_code, {**shown, "user": None}) == (200, {**session, "user": None})
    assert shown["user"]["id"] == BOT_ID
    assert (await vendor.http.get("/session")).status_code == 401


async def test_a_session_gets_and_loses_its_user(vendor):
    headers, session = await opened(vendor)
    assert (session["user_id"], session["user"]) == (0, None)
    assert (await vendor.http.get("/meetings", headers=headers)).status_code == FORBIDDEN
    answer = await vendor.http.post("/login", json=BOT, headers=headers)
    assert (answer.status_code, answer.json()["user"]["id"]) == (202, BOT_ID)
    assert (await vendor.http.get("/meetings", headers=headers)).status_code == 200
    assert (await vendor.http.delete("/login", headers=headers)).status_code == 200
    assert (await vendor.http.get("/meetings", headers=headers)).status_code == FORBIDDEN
    assert (await vendor.http.get("/session", headers=headers)).json()["session"]["user_id"] == 0


@pytest.mark.parametrize(
    ("given", "status", "errors"),
    [
        ({**BOT, "password": "wrong"}, 401, ["Unauthorized"]),
        ({"login": "somebody-new", "password": "pass-word-1"}, 401, ["Unauthorized"]),
        ({"login": "archive-bot"}, 422, {"password": ["cannot be blank"]}),
        (GUEST, 422, {"login": ["cannot be blank"]}),
    ],
)
async def test_only_a_known_user_may_log_in(vendor, given, status, errors):
    headers, _ = await opened(vendor)
    answer = await vendor.http.post("/login", json=given, headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"errors": errors})
    assert (await vendor.http.post("/login", json=BOT)).status_code == 401  # without a session


async def test_a_meeting_asked_for_by_its_id_is_one_object(vendor, host):
    made = await vendor.create(host, scheduled=True)
    await vendor.create(host)
    asked = {
        f"_id={made['_id']}": made,
        f"_id={made['_id']}&scheduled=true&limit=1": made,
        f"_id[]={made['_id']}": [made],
        f"_id[in]={made['_id']}": [made],
        f"_id[gte]={made['_id']}&scheduled=true": [made],
    }
    for query, known in asked.items():
        assert (await vendor.http.get(f"/meetings?{query}", headers=host.headers)).json() == known


async def test_no_meeting_of_that_id(vendor, host):
    """An empty list would be no meeting to the vendor's clients, so it is refused like a change of it."""
    made = await vendor.create(host)
    stranger = await vendor.person()
    for person, query in [
        (stranger, f"_id={made['_id']}"),
        (host, f"_id={made['_id']}&scheduled=true"),
        (host, "_id=0"),
    ]:
        answer = await vendor.http.get(f"/meetings?{query}", headers=person.headers)
        assert (answer.status_code, answer.json()) == (404, {"errors": ["Meeting not found"]})


async def names(vendor, host, query):
    answer = await vendor.http.get(f"/meetings?{query}", headers=host.headers)
    assert answer.status_code == 200, answer.text
    return "".join(meeting["name"] for meeting in answer.json())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_id[]={0}&_id[]={2}", "13"),
        ("_id={0},{2}", "13"),
        ("_id={0}%2C{2}&scheduled=true", "3"),
        ("_id[or]={0},{2}", "13"),
        ("_id[all]={0},{2}", ""),
        ("_id[all]={0},{0}", "1"),
        ("start_date[]=100&start_date[]=200", "12"),
        ("start_date=200,300", "23"),
        ("start_date[or]=200,300&end_date[gt]=250", "3"),
        ("scheduled[all]=true", "3"),
    ],
)
async def test_lists_of_values(vendor, host, query, found):
    made = [
        await vendor.create(host, name=str(n), start_date=n * 100, end_date=n * 100 + 50, scheduled=n == 3)
        for n in (1, 2, 3)
    ]
    assert await names(vendor, host, query.format(*(one["_id"] for one in made))) == found


async def test_text_is_compared_by_its_parts(vendor, host):
    one = (await vendor.create(host, name="1"))["_id"]
    await vendor.create(host, name="2")
    assert await names(vendor, host, f"_id[ctn]={one[2:-1]}") == await names(vendor, host, f"_id[ctn]={one}") == "1"
    assert await names(vendor, host, f"_id[start_with]={one[:-1]}") == "1"
    assert await names(vendor, host, f"_id[start_with]={one[1:]}") == ""
    for query in ("start_date[ctn]=1", "created_at[start_with]=2021", "scheduled[ctn]=true"):
        answer = await vendor.http.get(f"/meetings?{query}", headers=host.headers)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("[")[0]])


async def test_version_2_of_a_listing(vendor, host):
    made = [await vendor.create(host, name=str(n)) for n in range(3)]
    for query, items, limit, skip, total in [
        ("", made, 100, 0, 3),
        ("limit=1&offset=1", made[1:2], 1, 1, 3),
        (f"_id={made[2]['_id']}", made[2:], 100, 0, 1),
        ("scheduled=true", [], 100, 0, 0),
    ]:
        answer = await vendor.http.get(f"/meetings?{query}", headers={**host.headers, "CB-Api-Version": "2"})
        assert answer.json() == {"items": items, "limit": limit, "skip": skip, "total_entries": total}
    first = await vendor.http.get("/meetings", headers={**host.headers, "CB-Api-Version": "1.1"})
    assert first.json() == made


async def test_only_what_is_read_as_text_is_empty(vendor, host):
    """The JavaScript client rejects an empty 200 where it expects JSON."""
    path = f"/meetings/{(await vendor.create(host))['_id']}"
    answers = [await vendor.http.delete(one, headers=host.headers) for one in (path, "/login", "/session")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 3
    scene = await vendor.finished({})
    answer = await vendor.http.delete(f"/admin/meetings/recordings/{scene['meeting']['_id']}", headers=ADMIN)
    assert (answer.status_code, answer.content) == (200, b"{}")


@pytest.mark.parametrize(
    ("user_id", "message"), [(None, "cannot be blank"), ("", "cannot be blank"), ("me", "is invalid")]
)
async def test_an_admin_must_name_the_host(vendor, user_id, message):
    answer = await vendor.http.post("/admin/meetings", json={**CREATE, "user_id": user_id}, headers=ADMIN)
    assert (answer.status_code, answer.json()) == (422, {"errors": {"user_id": [message]}})
