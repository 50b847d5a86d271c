"""The page, "Update meeting", its mails, "Delete meeting" and "Meeting Email Link Settings".

Section: the platform's test.
- request example, which lacks a comma: test_the_pages_request_is_not_json
- response example: test_mended_it_gets_the_pages_answer_though_the_meeting_ends_before_it_starts
- required parameters, which the vendor's clients leave out: test_what_is_not_named_stays; but not null or wrong:
  test_what_is_named_must_be_right
- dates in milliseconds (facts): test_milliseconds_are_kept_as_they_are
- only the host updates and deletes: test_only_the_host_may
- whom notify, start_date and attendees tell: test_an_update_mails_whom_the_page_names
- record starts and stops a recording: test_a_recorded_meeting_that_ends_sends_it_once
- delete, 200: test_a_deleted_meeting_is_gone
- `%s` in the URL template is the meeting's id: test_the_link_names_the_meeting_in_the_template, test_another_template
"""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.payloads import DATA, sample
from tests.support.vendor import ADMIN, CREATE, JSON, same_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")

UPDATE = (DATA / "update-meeting-request.txt").read_text()


async def test_the_pages_request_is_not_json(vendor, host):
    path = f"/meetings/{(await vendor.create(host))['_id']}"
    answer = await vendor.http.put(path, content=UPDATE, headers={**host.headers, **JSON})
    assert (answer.status_code, list(answer.json())) == (400, ["errors"])


async def test_mended_it_gets_the_pages_answer_though_the_meeting_ends_before_it_starts(vendor, host):
    before = await vendor.create(host, chat=False)
    vendor.sandbox._platform.meetings.get(before["_id"]).updated_at -= timedelta(days=1)
    request = json.loads(UPDATE.replace('3456 "email"', '3456, "email"'))
    answer = await vendor.http.put(f"/meetings/{before['_id']}", json=request, headers=host.headers)
    updated, known = answer.json(), sample("meeting-updated.json")
    assert answer.status_code == 200
    same_shape(updated, known)
    own = ("_id", "created_at", "updated_at", "host_id", "attendees")
    assert {k: v for k, v in updated.items() if k not in own} == {k: v for k, v in known.items() if k not in own}
    assert updated["attendees"] == request["attendees"]
    assert (updated["_id"], updated["created_at"]) == (before["_id"], before["created_at"])
    assert updated["updated_at"] >= before["updated_at"]
    assert (await vendor.http.get("/meetings", headers=host.headers)).json() == [updated]


@pytest.mark.parametrize(
    "change", [{"name": "New"}, {"record": False}, {"record": None}, {"public": False, "end_date": 5}, {}]
)
async def test_what_is_not_named_stays(vendor, host, change):
    before = await vendor.create(host, public=True, scheduled=True, record=True)
    answer = await vendor.http.put(f"/meetings/{before['_id']}", json=change, headers=host.headers)
    assert answer.status_code == 200
    assert answer.json() == {**before, **change, "updated_at": answer.json()["updated_at"]}


@pytest.mark.parametrize("name", ["name", "start_date", "end_date", "attendees"])
@pytest.mark.parametrize(("value", "message"), [(None, "cannot be blank"), ({}, "is invalid")])
async def test_what_is_named_must_be_right(vendor, host, name, value, message):
    before = await vendor.create(host)
    answer = await vendor.http.put(f"/meetings/{before['_id']}", json={name: value}, headers=host.headers)
    assert (answer.status_code, answer.json()) == (422, {"errors": {name: [message]}})
    assert (await vendor.http.get("/meetings", headers=host.headers)).json() == [before]


async def test_milliseconds_are_kept_as_they_are(vendor, host):
    dates = {"start_date": 1613729948123, "end_date": 1613731012456}
    meeting = await vendor.create(host, **dates)
    answer = await vendor.http.put(f"/meetings/{meeting['_id']}", json={"name": "New"}, headers=host.headers)
    (listed,) = (await vendor.http.get("/meetings?start_date[gt]=1613729948122", headers=host.headers)).json()
    sent = (await vendor.http.get(f"/_control/meetings/{meeting['_id']}/payload")).json()["meeting"]
    for one in (meeting, answer.json(), listed, sent):
        assert {name: one[name] for name in dates} == dates


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_the_host_may(vendor, host, method):
    guest = await vendor.person()
    meeting = await vendor.create(host, public=True, attendees=[{"id": guest.id}])
    path = f"/meetings/{meeting['_id']}"
    body = None if method == "DELETE" else {**CREATE, "name": "Taken over"}
    assert (await vendor.http.request(method, path, json=body, headers=guest.headers)).status_code == 403
    assert (await vendor.http.request(method, path, json=body)).status_code == 401
    assert (await vendor.http.request(method, path, json=body, headers=ADMIN)).status_code == 401
    assert (await vendor.http.get("/meetings", headers=guest.headers)).json() == [meeting]
    assert (await vendor.http.request(method, "/meetings/none", json=body, headers=host.headers)).status_code == 404


async def test_a_deleted_meeting_is_gone(vendor, host):
    path = f"/meetings/{(await vendor.create(host))['_id']}"
    assert (await vendor.http.delete(path, headers=host.headers)).status_code == 200
    assert (await vendor.http.delete(path, headers=host.headers)).status_code == 404
    assert (await vendor.http.get("/meetings", headers=host.headers)).json() == []


A, B = {"email": "a@x.org"}, {"email": "b@x.org"}
EVERYBODY = ["a@x.org", "host"]


@pytest.mark.parametrize(
    ("before", "change", "told", "reason"),
    [
        ({"notify": False}, {"notify": True}, EVERYBODY, "notify_switched_on"),
        ({"notify": False}, {"notify": True, "attendees": [B]}, ["b@x.org", "host"], "notify_switched_on"),
        ({"notify": True}, {"start_date": 5}, EVERYBODY, "start_date_changed"),
        (
            {"notify": True},
            {"start_date": 5, "attendees": [A, B]},
            ["a@x.org", "b@x.org", "host"],
            "start_date_changed",
        ),
        ({"notify": True}, {"attendees": [A, B]}, ["b@x.org"], "attendee_added"),
        ({"notify": True}, {"attendees": [B]}, ["b@x.org"], "attendee_added"),
        ({"notify": True}, {"attendees": [A, {"id": 245}]}, ["user-245@example.com"], "attendee_added"),
        ({"notify": True}, {"attendees": []}, [], None),
        ({"notify": True}, {"name": "Other", "end_date": 9}, [], None),
        ({"notify": True}, {"notify": False, "start_date": 5}, [], None),
        ({"notify": False}, {"start_date": 5, "attendees": [A, B]}, [], None),
        ({"notify": False}, {}, [], None),
    ],
)
async def test_an_update_mails_whom_the_page_names(vendor, host, before, change, told, reason):
    base = {**CREATE, "attendees": [A], **before}
    meeting = await vendor.create(host, **base)
    known = len(await vendor.mails(meeting))
    answer = await vendor.http.put(f"/meetings/{meeting['_id']}", json={**base, **change}, headers=host.headers)
    assert answer.status_code == 200
    mails = (await vendor.mails(meeting))[known:]
    assert [mail["to"] for mail in mails] == [host.email if one == "host" else one for one in told]
    assert {mail["reason"] for mail in mails} == ({reason} if told else set())


async def test_the_link_names_the_meeting_in_the_template(vendor, host):
    meeting = await vendor.create(host)
    mails = await vendor.mails(meeting)
    assert {m["to"] for m in mails} == {"email1@domen.com", "user-343@example.com", "email2@domen.com", host.email}
    assert {m["link"] for m in mails} == {f"https://meeting.host.domain/conference/join/{meeting['_id']}"}
    assert await vendor.mails(await vendor.create(host, notify=False)) == []


async def test_another_template():
    config = SandboxConfig(meeting_url_template="https://a.example/%s/join?m=%s&x=%d")
    async with Sandbox(config) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        made = await http.post("/admin/meetings", json={**CREATE, "user_id": 5}, headers=ADMIN)
        mails = (await http.get("/_control/mails")).json()
    meeting_id = made.json()["_id"]
    assert {mail["link"] for mail in mails} == {f"https://a.example/{meeting_id}/join?m={meeting_id}&x=%d"}
