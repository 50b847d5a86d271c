"""The emulated Meetings API, asked over real sockets: a row per section of the vendor's page."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig, run_forever
from receiver.sandbox.platform import Platform
from receiver.sandbox.server import _api_app

ADMIN = {"CB-Administration-API-Key": "sandbox-admin-key"}
MEETING = {
    "name": "Friday weekly sync",
    "start_date": 1613729948,
    "end_date": 1613731012,
    "attendees": [{"id": 245, "email": "email1@domen.com"}, {"id": 343}, {"email": "email2@domen.com"}],
    "record": False,
    "chat": True,
    "notify": True,
    "notify_before": {"metric": "minutes", "value": 10},
    "timezone": {"offset": 120, "name": "Europe/Riga"},
}

# In the order in which the vendor's page writes them.
MEETING_FIELDS = [
    "_id",
    "name",
    "start_date",
    "end_date",
    "attendees",
    "record",
    "chat_dialog_id",
    "created_at",
    "updated_at",
    "host_id",
    "scheduled",
    "notify",
    "notify_before",
    "timezone",
]
PAYLOAD_MEETING_FIELDS = [
    "_id",
    "name",
    "start_date",
    "end_date",
    "attendees",
    "public",
    "scheduled",
    "record",
    "chat_dialog_id",
    "created_at",
    "updated_at",
    "host_id",
    "notify",
    "notify_before",
    "timezone",
]
HOST_FIELDS = [
    "_id",
    "id",
    "created_at",
    "updated_at",
    "last_request_at",
    "login",
    "full_name",
    "timezone",
    "email",
    "phone",
    "website",
    "twitter_id",
    "external_user_id",
    "facebook_id",
    "custom_data",
    "user_tags",
    "avatar",
    "external_id",
    "is_guest",
]
RECORD_FIELDS = [
    "_id",
    "room_id",
    "participants_count",
    "participants_ids",
    "file_uid",
    "duration",
    "size",
    "updated_at",
    "created_at",
    "download_url",
]


@pytest.fixture
async def sandbox():
    async with Sandbox(SandboxConfig(seed=7)) as running:
        yield running


@pytest.fixture
async def api(sandbox):
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        yield client


@pytest.fixture
async def bot(sandbox, api):
    """Headers of the configured user's session."""
    return await headers_of(api, "archive-bot", "sandbox-password")


def session_body(**changes):
    body = {
        "application_id": 4242,
        "auth_key": "sandbox-auth-key",
        "timestamp": int(time.time()),
        "user": {"login": "archive-bot", "password": "sandbox-password"},
    }
    return {**body, **changes}


async def headers_of(api, login, password="pass-word-1"):
    answer = await api.post("/session", json=session_body(user={"login": login, "password": password}))
    assert answer.status_code == 201
    return {"CB-Token": answer.json()["session"]["token"]}


async def create(api, headers, **changes):
    answer = await api.post("/meetings", json={**MEETING, **changes}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


class TestSessions:
    async def test_a_session_names_its_user(self, api):
        answer = await api.post("/session", json=session_body())
        session = answer.json()["session"]
        assert answer.status_code == 201
        assert (session["user_id"], session["application_id"]) == (6892473, 4242)
        assert session["user"]["login"] == "archive-bot"
        assert "password" not in session["user"]

    async def test_the_form_encoded_body_is_read_too(self, api):
        form = {
            "application_id": "4242",
            "auth_key": "sandbox-auth-key",
            "timestamp": str(int(time.time())),
            "user[email]": "archive-bot@example.com",
            "user[password]": "sandbox-password",
        }
        answer = await api.post("/session", data=form)
        assert answer.status_code == 201
        assert answer.json()["session"]["user_id"] == 6892473

    @pytest.mark.parametrize(("nonce", "send"), [("33432", "json"), (1_234_567, "json"), ("771", "data")])
    async def test_the_signed_form_is_accepted_once(self, api, nonce, send):
        stamp = int(time.time())
        line = (
            f"application_id=4242&auth_key=sandbox-auth-key&nonce={nonce}&timestamp={stamp}"
            "&user[login]=archive-bot&user[password]=sandbox-password"
        )
        signature = hmac.new(b"sandbox-auth-secret", line.encode(), hashlib.sha1).hexdigest()
        body = session_body(timestamp=stamp, nonce=nonce, signature=signature)
        if send == "data":
            user = body.pop("user")
            body |= {f"user[{name}]": value for name, value in user.items()}
        first = await api.post("/session", **{send: body})
        again = await api.post("/session", **{send: body})
        assert first.status_code == 201, first.text
        assert again.status_code == 422
        assert "nonce" in again.json()["errors"]

    @pytest.mark.parametrize(
        ("changes", "status", "errors"),
        [
            ({"auth_key": "other"}, 404, ["No application found"]),
            ({"application_id": 1}, 404, ["No application found"]),
            ({"timestamp": 1}, 422, {"base": ["Bad timestamp"]}),
            ({"nonce": "1", "signature": "0" * 40}, 422, {"base": ["Unexpected signature"]}),
            ({"signature": "0" * 40}, 422, {"nonce": ["cannot be blank"]}),
            ({"user": {"login": "archive-bot", "password": "wrong"}}, 401, ["Unauthorized"]),
            ({"user": {"login": "archive-bot"}}, 422, {"user.password": ["cannot be blank"]}),
            ({"user": {"password": "x"}}, 422, {"login": ["cannot be blank"]}),
            ({"timestamp": None}, 422, {"timestamp": ["cannot be blank"]}),
            ({"application_id": "no"}, 422, {"application_id": ["is invalid"]}),
        ],
    )
    async def test_what_is_wrong_is_said_in_the_vendors_shapes(self, api, changes, status, errors):
        answer = await api.post("/session", json=session_body(**changes))
        assert (answer.status_code, answer.json()) == (status, {"errors": errors})

    async def test_unknown_credentials_make_a_user(self, api):
        body = session_body(user={"login": "newcomer", "password": "pass-word-1"})
        first = (await api.post("/session", json=body)).json()["session"]
        second = (await api.post("/session", json=body)).json()["session"]
        assert first["user_id"] == second["user_id"] != 6892473
        assert first["token"] != second["token"]

    async def test_unknown_credentials_are_refused_where_configured(self):
        async with (
            Sandbox(SandboxConfig(create_users=False)) as sandbox,
            httpx.AsyncClient(base_url=sandbox.url) as api,
        ):
            answer = await api.post("/session", json=session_body(user={"login": "newcomer", "password": "x"}))
        assert (answer.status_code, answer.json()) == (401, {"errors": ["Unauthorized"]})

    async def test_a_deleted_session_is_gone(self, api, bot):
        assert (await api.delete("/session", headers=bot)).status_code == 200
        answer = await api.get("/meetings", headers=bot)
        assert answer.status_code == 401
        assert answer.json() == {"errors": {"base": ["Required session does not exist"]}}

    async def test_no_token_and_no_user(self, api):
        answer = await api.get("/meetings")
        assert (answer.status_code, answer.json()) == (401, {"errors": ["Token is required"]})
        body = session_body()
        del body["user"]
        token = (await api.post("/session", json=body)).json()["session"]["token"]
        assert (await api.get("/meetings", headers={"CB-Token": token})).status_code == 403

    async def test_a_token_expires_and_each_request_prolongs_it(self):
        async with (
            Sandbox(SandboxConfig(token_lifetime_s=0)) as sandbox,
            httpx.AsyncClient(base_url=sandbox.url) as api,
        ):
            headers = await headers_of(api, "archive-bot", "sandbox-password")
            assert (await api.get("/meetings", headers=headers)).status_code == 401

    async def test_answers_carry_the_expiry(self, api, bot):
        answer = await api.get("/meetings", headers=bot)
        stamp = time.strptime(answer.headers["cb-token-expirationdate"], "%Y-%m-%d %H:%M:%S UTC")
        assert time.mktime(stamp) - time.mktime(time.gmtime()) == pytest.approx(7200, abs=3)


class TestCreate:
    async def test_the_answer_has_the_pages_fields_in_its_order(self, api, bot):
        meeting = await create(api, bot)
        assert list(meeting) == MEETING_FIELDS
        given = {name: value for name, value in MEETING.items() if name != "chat"}
        assert {name: meeting[name] for name in given} == given
        assert (meeting["host_id"], meeting["scheduled"]) == (6892473, False)
        assert len(meeting["chat_dialog_id"]) == 24

    async def test_public_is_answered_once_it_was_set(self, api, bot):
        assert (await create(api, bot, public=True))["public"] is True

    @pytest.mark.parametrize(
        ("changes", "errors"),
        [
            ({"name": None}, {"name": ["cannot be blank"]}),
            ({"name": "  "}, {"name": ["cannot be blank"]}),
            ({"start_date": "soon"}, {"start_date": ["is invalid"]}),
            ({"end_date": 1613729947}, {"end_date": ["must not be before start_date"]}),
            ({"attendees": None}, {"attendees": ["cannot be blank"]}),
            ({"attendees": [{}]}, {"attendees": ["id or email is required"]}),
            (
                {"notify_before": {"metric": "minutes", "value": 56}},
                {"notify_before": ["value must be between 0 and 55 for minutes"]},
            ),
            (
                {"notify_before": {"metric": "weeks", "value": 0}},
                {"notify_before": ["value must be between 1 and 4 for weeks"]},
            ),
            ({"notify_before": {"metric": "years", "value": 1}}, {"notify_before.metric": ["is invalid"]}),
            ({"timezone": {"name": "Europe/Riga"}}, {"timezone.offset": ["cannot be blank"]}),
            ({"record": "perhaps"}, {"record": ["is invalid"]}),
        ],
    )
    async def test_validation(self, api, bot, changes, errors):
        answer = await api.post("/meetings", json={**MEETING, **changes}, headers=bot)
        assert (answer.status_code, answer.json()) == (422, {"errors": errors})

    @pytest.mark.parametrize(
        ("metric", "value"), [("minutes", 0), ("minutes", 55), ("hours", 24), ("days", 30), ("weeks", 4)]
    )
    async def test_notify_before_up_to_its_bounds(self, api, bot, metric, value):
        meeting = await create(api, bot, notify_before={"metric": metric, "value": value})
        assert meeting["notify_before"] == {"metric": metric, "value": value}

    async def test_form_encoded_with_nested_names(self, api, bot):
        body = "name=Sync&start_date=1&end_date=2&attendees[][id]=5&attendees[][email]=a%40b.c&attendees[][id]=6"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await api.post("/meetings", content=body, headers={**bot, **form})
        assert answer.status_code == 201, answer.text
        assert answer.json()["attendees"] == [{"id": 5, "email": "a@b.c"}, {"id": 6}]

    @pytest.mark.parametrize(("raw", "status"), [(b"{not json", 400), (b"[1]", 422), (b"", 422)])
    async def test_bodies_that_are_no_object(self, api, bot, raw, status):
        answer = await api.post("/meetings", content=raw, headers={**bot, "Content-Type": "application/json"})
        assert answer.status_code == status
        assert "errors" in answer.json()

    async def test_an_admin_creates_for_a_host(self, api):
        answer = await api.post("/admin/meetings", json={**MEETING, "user_id": 32242}, headers=ADMIN)
        assert (answer.status_code, answer.json()["host_id"]) == (201, 32242)


class TestRetrieve:
    @pytest.fixture
    async def meetings(self, api, bot):
        return [
            await create(api, bot, name=f"meeting {number}", start_date=number * 100, end_date=number * 100 + 50)
            for number in range(1, 5)
        ]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", [1, 2, 3, 4]),
            ("start_date=200", [2]),
            ("start_date[gt]=200", [3, 4]),
            ("start_date[gte]=200", [2, 3, 4]),
            ("start_date[lt]=200", [1]),
            ("end_date[lte]=250", [1, 2]),
            ("start_date[ne]=200", [1, 3, 4]),
            ("start_date[in]=100,400", [1, 4]),
            ("start_date[in][]=100&start_date[in][]=400", [1, 4]),
            ("start_date[nin]=100,400", [2, 3]),
            ("start_date[gte]=200&start_date[lt]=400", [2, 3]),
            ("scheduled=false", [1, 2, 3, 4]),
            ("scheduled=true", []),
            ("created_at[gt]=2021-02-19T10:26:49.013Z", [1, 2, 3, 4]),
            ("updated_at[lt]=2021-02-19", []),
            ("limit=2", [1, 2]),
            ("limit=2&offset=3", [4]),
            ("offset=9", []),
            ("unknown=1", [1, 2, 3, 4]),
        ],
    )
    @pytest.mark.parametrize("place", ["query", "body"])
    @pytest.mark.usefixtures("meetings")
    async def test_filters(self, api, bot, query, found, place):
        if place == "query":
            answer = await api.get(f"/meetings?{query}", headers=bot)
        else:
            form = {**bot, "Content-Type": "application/x-www-form-urlencoded"}
            answer = await api.request("GET", "/meetings", content=query, headers=form)
        assert answer.status_code == 200
        assert [meeting["name"] for meeting in answer.json()] == [f"meeting {number}" for number in found]

    async def test_a_time_as_written_finds_its_meeting(self, api, bot, meetings):
        stamp = meetings[0]["created_at"]
        for operator in ("", "[gte]", "[lte]"):
            listed = (await api.get(f"/meetings?created_at{operator}={stamp}", headers=bot)).json()
            assert meetings[0] in listed

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=many", "limit"),
            ("offset=-1", "offset"),
            ("start_date[like]=1", "start_date"),
            ("start_date[]=1", "start_date"),
            ("start_date=soon", "start_date"),
            ("created_at[gt]=soon", "created_at"),
            ("scheduled=maybe", "scheduled"),
        ],
    )
    async def test_bad_filters(self, api, bot, query, field):
        answer = await api.get(f"/meetings?{query}", headers=bot)
        assert answer.status_code == 422
        assert list(answer.json()["errors"]) == [field]

    async def test_a_user_sees_own_meetings_and_those_attended(self, api, bot):
        guest = await headers_of(api, "guest")
        stranger = await headers_of(api, "stranger")
        guest_id = (await create(api, guest))["host_id"]
        shared = await create(api, bot, attendees=[{"id": guest_id}])
        assert shared in (await api.get("/meetings", headers=guest)).json()
        assert (await api.get("/meetings", headers=stranger)).json() == []
        assert (await api.get(f"/meetings?_id={shared['_id']}", headers=stranger)).json() == []

    async def test_a_public_meeting_is_found_by_its_id(self, api, bot):
        stranger = await headers_of(api, "stranger")
        public = await create(api, bot, public=True)
        assert (await api.get(f"/meetings?_id={public['_id']}", headers=stranger)).json() == [public]
        assert (await api.get("/meetings", headers=stranger)).json() == []


class TestUpdate:
    async def test_the_pages_example_though_it_ends_before_it_starts(self, api, bot):
        meeting = await create(api, bot)
        change = {
            "name": "Another meeting name",
            "start_date": 1613959948,
            "end_date": 1613956048,
            "attendees": [{"id": 1445, "email": "email3@domen.com"}],
            "record": True,
            "chat": True,
            "public": True,
            "scheduled": True,
            "notify_before": {"metric": "hours", "value": 1},
            "timezone": {"offset": -300, "name": "America/New_York"},
        }
        answer = await api.put(f"/meetings/{meeting['_id']}", json=change, headers=bot)
        updated = answer.json()
        assert answer.status_code == 200
        assert {name: updated[name] for name in change if name != "chat"} == {
            k: change[k] for k in change if k != "chat"
        }
        assert updated["notify"] is True
        assert updated["updated_at"] >= meeting["updated_at"]
        assert list(updated)[9:12] == ["host_id", "public", "scheduled"]

    async def test_required_parameters(self, api, bot):
        meeting = await create(api, bot)
        answer = await api.put(f"/meetings/{meeting['_id']}", json={"record": True}, headers=bot)
        assert answer.status_code == 422
        assert set(answer.json()["errors"]) == {"name", "start_date", "end_date", "attendees"}

    async def test_only_the_host_may_update_or_delete(self, api, bot):
        guest = await headers_of(api, "guest")
        meeting = await create(api, bot, public=True)
        path = f"/meetings/{meeting['_id']}"
        assert (await api.put(path, json=MEETING, headers=guest)).status_code == 403
        assert (await api.delete(path, headers=guest)).status_code == 403
        assert (await api.put("/meetings/none", json=MEETING, headers=bot)).status_code == 404

    async def test_delete(self, api, bot):
        path = f"/meetings/{(await create(api, bot))['_id']}"
        answer = await api.delete(path, headers=bot)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await api.delete(path, headers=bot)).status_code == 404
        assert (await api.get("/meetings", headers=bot)).json() == []


class TestMails:
    async def mails(self, api):
        return [(mail["to"], mail["reason"]) for mail in (await api.get("/_control/mails")).json()]

    async def test_creation_with_notify_tells_everybody_with_the_link(self, api, bot):
        meeting = await create(api, bot)
        mails = (await api.get("/_control/mails")).json()
        assert {mail["to"] for mail in mails} == {
            "email1@domen.com",
            "user-343@example.com",
            "email2@domen.com",
            "archive-bot@example.com",
        }
        assert {mail["link"] for mail in mails} == {f"https://meeting.host.domain/conference/join/{meeting['_id']}"}

    @pytest.mark.parametrize(
        ("before", "change", "told"),
        [
            ({"notify": False}, {}, []),
            (
                {"notify": False},
                {"notify": True},
                [("a@x.org", "notify_switched_on"), ("archive-bot@example.com", "notify_switched_on")],
            ),
            (
                {"notify": True},
                {"start_date": 5},
                [("a@x.org", "start_date_changed"), ("archive-bot@example.com", "start_date_changed")],
            ),
            (
                {"notify": True},
                {"attendees": [{"email": "a@x.org"}, {"email": "b@x.org"}]},
                [("b@x.org", "attendee_added")],
            ),
            ({"notify": True}, {"name": "Other"}, []),
            ({"notify": False}, {"start_date": 5}, []),
        ],
    )
    async def test_updates_tell_whom_the_page_names(self, api, bot, before, change, told):
        base = {**MEETING, "attendees": [{"email": "a@x.org"}], **before}
        meeting = await create(api, bot, **base)
        known = await self.mails(api)
        await api.put(f"/meetings/{meeting['_id']}", json={**base, **change}, headers=bot)
        assert (await self.mails(api))[len(known) :] == told


class TestRecordings:
    async def finished(self, api, **changes):
        body = {"recordings": [{"duration": 5.082, "size_bytes": 290_000}], **changes}
        answer = await api.post("/_control/meetings", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def test_the_users_listing_is_the_pages(self, api, bot):
        scene = await self.finished(api)
        answer = await api.get(f"/meetings/recordings/{scene['meeting']['_id']}", headers=bot)
        (record,) = answer.json()
        assert list(record) == [
            "_id",
            "room_id",
            "participants_ids",
            "updated_at",
            "created_at",
            "download_url",
            "participants_count",
            "duration",
            "size",
        ]
        assert (record["duration"], record["size"], record["participants_count"]) == (5.082, 0.29, 1)
        query = parse_qs(urlsplit(record["download_url"]).query)
        assert int(query["Expires"][0]) == pytest.approx(time.time() + 3600, abs=5)

    async def test_the_admins_listing_has_file_uid_and_the_other_signature(self, api):
        scene = await self.finished(api)
        path = f"/admin/meetings/recordings/{scene['meeting']['_id']}"
        (record,) = (await api.get(path, headers=ADMIN)).json()
        assert record["file_uid"] == scene["recordings"][0]["file_uid"]
        query = parse_qs(urlsplit(record["download_url"]).query)
        assert query["X-Amz-Expires"] == ["604800"]
        assert {**record, "download_url": ""} == {**scene["payload"]["callRecords"][0], "download_url": ""}

    @pytest.mark.parametrize("headers", [{}, {"CB-Administration-API-Key": "wrong"}])
    async def test_the_admins_key_is_asked_for(self, api, headers):
        assert (await api.get("/admin/meetings/recordings/x", headers=headers)).status_code == 401

    async def test_who_may_list(self, api, bot):
        private = await self.finished(api, host_id=5, attendees=[{"id": 6}])
        attended = await self.finished(api, host_id=5, attendees=[{"email": "archive-bot@example.com"}])
        listing = "/meetings/recordings/"
        assert (await api.get(listing + private["meeting"]["_id"], headers=bot)).status_code == 403
        assert len((await api.get(listing + attended["meeting"]["_id"], headers=bot)).json()) == 1
        assert (await api.get(listing + "unknown", headers=bot)).status_code == 404
        assert (await api.get("/admin" + listing + "unknown", headers=ADMIN)).status_code == 404

    async def test_the_admin_deletes_all_of_a_meeting(self, api):
        scene = await self.finished(api, recordings=[{}, {}])
        path = f"/admin/meetings/recordings/{scene['meeting']['_id']}"
        answer = await api.delete(path, headers=ADMIN)
        assert (answer.status_code, answer.json()) == (200, {})
        assert (await api.get(path, headers=ADMIN)).json() == []
        assert (await api.get(scene["payload"]["callRecords"][0]["download_url"])).status_code == 404

    async def test_ids_are_kept(self, api):
        given = {"_id": "64ba8abeea1de683a37139fd", "file_uid": "619486cc_64ba", "created_at": "2023-07-21T13:40:14Z"}
        scene = await self.finished(api, _id="64ba8ab043e599002b5bdbca", host_id=78, recordings=[given])
        (record,) = scene["payload"]["callRecords"]
        assert {name: record[name] for name in given} == given
        assert record["room_id"] == scene["payload"]["meeting"]["_id"] == "64ba8ab043e599002b5bdbca"
        assert scene["payload"]["hostUser"]["id"] == 78

    @pytest.mark.parametrize(
        "body",
        [{"recordings": [{"kind": "mov"}]}, {"recording": []}, {"recordings": [{"kind": "mp4", "size_bytes": 5}]}],
    )
    async def test_a_scene_that_is_misspelt_is_refused(self, api, body):
        assert (await api.post("/_control/meetings", json=body)).status_code == 422


class Hook:
    """The other end of the webhook."""

    def __init__(self):
        self.received = asyncio.Queue()
        self.status = 202

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        await self.received.put((headers, json.loads(body)))
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def next(self):
        return await asyncio.wait_for(self.received.get(), 10)


@pytest.fixture
async def hook(sandbox):
    hook = Hook()
    async with await asyncio.start_server(hook.answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sandbox.set_webhook_url(f"http://127.0.0.1:{port}/hook")
        yield hook


class TestRecordingDone:
    async def test_a_recorded_meeting_that_ends_sends_it(self, api, bot, hook):
        meeting = await create(api, bot, record=False)
        path = f"/meetings/{meeting['_id']}"
        for record in (True, False, True):
            await api.put(path, json={**MEETING, "record": record}, headers=bot)
        listing = f"/meetings/recordings/{meeting['_id']}"
        assert (await api.get(listing, headers=bot)).json() == []
        await api.post(f"/_control/meetings/{meeting['_id']}/end")
        headers, payload = await hook.next()
        assert headers["content-type"] == "application/json"
        assert "authorization" not in headers
        assert len(payload["callRecords"]) == 2
        assert payload["meeting"]["record"] is False
        assert payload["callRecords"][0]["file_uid"].endswith(f"_{meeting['_id']}")
        assert [one["_id"] for one in (await api.get(listing, headers=bot)).json()] == [
            one["_id"] for one in payload["callRecords"]
        ]
        (sent,) = (await api.get("/_control/webhooks?wait=1")).json()
        assert (sent["status"], sent["answer"], sent["error"]) == (202, "ok", None)

    async def test_a_meeting_that_was_not_recorded_sends_nothing(self, api, bot):
        meeting = await create(api, bot, record=False)
        scene = (await api.post(f"/_control/meetings/{meeting['_id']}/end")).json()
        assert scene["recordings"] == []
        assert (await api.get("/_control/webhooks?wait=1")).json() == []

    async def test_the_payload_has_the_samples_shape(self, api):
        scene = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
        payload = (await api.get(f"/_control/meetings/{scene['meeting']['_id']}/payload")).json()
        assert list(payload) == ["meeting", "hostUser", "callRecords"]
        assert list(payload["meeting"]) == PAYLOAD_MEETING_FIELDS
        assert list(payload["hostUser"]) == HOST_FIELDS
        assert list(payload["callRecords"][0]) == RECORD_FIELDS

    async def test_it_is_sent_once_whatever_is_answered(self, api, hook):
        hook.status = 503
        scene = (await api.post("/_control/meetings", json={"recordings": [{}], "send_webhook": True})).json()
        _, payload = await hook.next()
        assert payload["meeting"] == scene["payload"]["meeting"]
        (sent,) = (await api.get("/_control/webhooks?wait=1")).json()
        assert sent["status"] == 503

    async def test_it_can_be_sent_again_and_nobody_may_listen(self, api):
        scene = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
        path = f"/_control/meetings/{scene['meeting']['_id']}/webhook"
        assert (await api.post(path, json={"times": 2})).status_code == 202
        sent = (await api.get("/_control/webhooks?wait=1")).json()
        assert [one["error"] for one in sent] == ["no webhook URL is set"] * 2

    async def test_basic_auth(self, hook, sandbox):
        config = SandboxConfig(webhook_url=sandbox._platform.webhooks.url, webhook_basic_auth="hook:s3cret")
        async with Sandbox(config) as other, httpx.AsyncClient(base_url=other.url) as api:
            await api.post("/_control/meetings", json={"recordings": [{}], "send_webhook": True})
            headers, _ = await hook.next()
        assert headers["authorization"] == "basic ag9vazpzm2nyzxq="


async def test_what_is_not_there_is_not_found(api):
    assert (await api.get("/nowhere")).json() == {"errors": ["Not found"]}
    assert (await api.patch("/meetings")).status_code == 405


async def test_answers_carry_the_platforms_clock(api):
    answer = await api.get("/nowhere")
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == pytest.approx(time.time(), abs=3)


async def test_another_name_for_others():
    async with (
        Sandbox(SandboxConfig(public_host="localhost")) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as api,
    ):
        scene = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
        url = scene["payload"]["callRecords"][0]["download_url"]
        assert url.startswith("http://localhost:")
        assert (await api.get(url)).status_code == 200


async def test_control_is_for_loopback_alone():
    transport = httpx.ASGITransport(_api_app(Platform(SandboxConfig())), client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as remote:
        assert (await remote.get("/_control/mails")).status_code == 403


async def test_it_serves_until_cancelled():
    started = asyncio.Queue()
    task = asyncio.create_task(run_forever(SandboxConfig(), started.put_nowait))
    sandbox = await asyncio.wait_for(started.get(), 10)
    async with httpx.AsyncClient(base_url=sandbox.url) as api:
        assert (await api.get("/_control/mails")).status_code == 200
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(httpx.TransportError):
            await api.get("/_control/mails")


async def test_a_taken_port_leaves_nothing_behind(sandbox):
    with pytest.raises(OSError, match="address already in use"):
        await Sandbox(SandboxConfig(port=urlsplit(sandbox.url).port)).__aenter__()


async def test_a_seed_repeats_the_ids(api):
    first = (await api.post("/_control/meetings", json={"recordings": [{}]})).json()
    async with Sandbox(SandboxConfig(seed=7)) as other, httpx.AsyncClient(base_url=other.url) as again:
        second = (await again.post("/_control/meetings", json={"recordings": [{}]})).json()
    assert first["recordings"] == second["recordings"]


def test_the_description_has_what_a_person_needs():
    described = Sandbox(SandboxConfig()).describe()
    assert described["admin_key"] == "sandbox-admin-key"
    assert all(line.startswith("curl ") for line in described["examples"])


async def test_rotated_credentials_replace_the_old_ones(sandbox, api, bot):
    new = {"admin_key": "key-2", "auth_secret": "secret-2", "user_password": "password-2"}
    assert (await api.patch("/_control/credentials", json=new)).status_code == 204
    statuses = [
        (await api.get("/meetings", headers=bot)).status_code,
        (await api.get("/admin/meetings/recordings/x", headers=ADMIN)).status_code,
        (await api.get("/admin/meetings/recordings/x", headers={**ADMIN, next(iter(ADMIN)): "key-2"})).status_code,
        (await api.post("/session", json=session_body())).status_code,
    ]
    assert statuses == [401, 401, 404, 401]
    assert await headers_of(api, "archive-bot", "password-2")
    assert sandbox.config.admin_key == "sandbox-admin-key", "the given configuration is the caller's own"
