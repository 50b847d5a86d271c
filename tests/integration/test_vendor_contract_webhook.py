"""The page, "Recording done webhook"; facts, "Shape conflicts to tolerate" and "Undocumented about the webhook".

Section or fact: the platform's test; the receiver's.
- request payload example: test_the_pages_payload_can_be_made; test_the_page_s_example_is_read_whole
- an object, or an array of such objects: the platform sends an object; test_an_object_or_an_array_of_them
- once recordings are available, not during the meeting: test_a_recorded_meeting_that_ends_sends_it_once;
  test_a_meeting_that_ends_at_the_platform_is_archived_by_its_webhook
- not recorded, nothing sent: test_a_meeting_that_was_not_recorded_sends_nothing
- `record: false` though it was recorded: test_a_recorded_meeting_that_ends_sends_it_once; test_record_says_nothing
- `host_id` is the `id` of `hostUser`, not its `_id`: test_the_host_is_named_by_number, both sides
- neither signature nor event id nor other headers: test_nothing_is_sent_but_the_body_and_its_type;
  test_the_body_decides_and_not_what_it_is_called, test_the_same_body_again_is_the_first_delivery
- retries, order, duplicates, a second POST: test_it_is_sent_once_whatever_is_answered,
  test_it_can_be_sent_again_and_nobody_may_listen; test_permutations_and_supersets_at_once_make_one_row_a_recording
- null, missing and unknown fields: test_vendor_tolerance
"""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
import pytest_asyncio

from receiver.meetings.payload import parse
from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.payloads import example
from tests.support.vendor import CREATE, same_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLE = json.loads(example())


class Hook:
    """The other end of the webhook."""

    def __init__(self):
        self.received = asyncio.Queue()
        self.status = 202
        self.url = ""

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        await self.received.put((headers, body))
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def next(self):
        return await asyncio.wait_for(self.received.get(), 10)


@pytest_asyncio.fixture(loop_scope="module")
async def hook(vendor):
    hook = Hook()
    async with await asyncio.start_server(hook.answer, "127.0.0.1", 0) as server:
        hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        vendor.sandbox.set_webhook_url(hook.url)
        yield hook
    vendor.sandbox.set_webhook_url(None)


async def sent(vendor, meeting):
    """Return what was sent of a meeting, once nothing is under way."""
    listed = (await vendor.http.get("/_control/webhooks?wait=1")).json()
    return [one for one in listed if one["meeting_id"] == meeting["_id"]]


async def test_the_pages_payload_can_be_made(vendor):
    meeting, host, records = SAMPLE["meeting"], SAMPLE["hostUser"], SAMPLE["callRecords"]
    scene = await vendor.finished(
        *(
            {
                name: one[name]
                for name in ("_id", "file_uid", "duration", "participants_ids", "created_at", "updated_at")
            }
            | {"size_bytes": round(one["size"] * 1_000_000)}
            for one in records
        ),
        **{name: meeting[name] for name in ("_id", "name", "start_date", "end_date", "attendees", "created_at")},
        updated_at=meeting["updated_at"],
        host_id=meeting["host_id"],
    )
    payload = (await vendor.http.get(f"/_control/meetings/{meeting['_id']}/payload")).json()
    assert payload == scene["payload"]
    assert list(payload) == list(SAMPLE)
    assert payload["meeting"] == {**meeting, "chat_dialog_id": None}
    assert list(payload["meeting"]) == list(meeting)
    same_shape(payload["hostUser"], host)
    assert [{**one, "download_url": ""} for one in payload["callRecords"]] == [
        {**one, "download_url": ""} for one in records
    ]
    assert list(payload["callRecords"][0]) == list(records[0])


async def test_a_recorded_meeting_that_ends_sends_it_once(vendor, host, hook):
    meeting = await vendor.create(host, record=False)
    path, listing = f"/meetings/{meeting['_id']}", f"/meetings/recordings/{meeting['_id']}"
    for record in (True, True, False, True):  # two starts; one that goes on is no other
        await vendor.http.put(path, json={**CREATE, "record": record}, headers=host.headers)
    assert (await vendor.http.get(listing, headers=host.headers)).json() == []
    assert await sent(vendor, meeting) == []
    for _ in range(2):
        await vendor.http.post(f"/_control{path}/end")
    _, body = await hook.next()
    payload = json.loads(body)
    listed = (await vendor.http.get(listing, headers=host.headers)).json()
    assert [one["_id"] for one in payload["callRecords"]] == [one["_id"] for one in listed]
    assert len(listed) == 2
    assert (payload["meeting"]["_id"], payload["meeting"]["record"]) == (meeting["_id"], False)
    assert all(one["file_uid"].endswith(f"_{meeting['_id']}") for one in payload["callRecords"])
    (one,) = await sent(vendor, meeting)
    assert (one["status"], one["answer"], one["error"]) == (202, "ok", None)
    assert hook.received.empty()


async def test_a_meeting_that_was_not_recorded_sends_nothing(vendor, host, hook):
    meeting = await vendor.create(host, record=False)
    scene = (await vendor.http.post(f"/_control/meetings/{meeting['_id']}/end")).json()
    assert scene["recordings"] == []
    assert await sent(vendor, meeting) == []
    assert hook.received.empty()


async def test_it_is_sent_once_whatever_is_answered(vendor, hook):
    hook.status = 503
    scene = await vendor.finished({}, send_webhook=True)
    assert [one["status"] for one in await sent(vendor, scene["meeting"])] == [503]
    assert hook.received.qsize() == 1


async def test_it_can_be_sent_again_and_nobody_may_listen(vendor):
    scene = await vendor.finished({})
    path = f"/_control/meetings/{scene['meeting']['_id']}/webhook"
    assert (await vendor.http.post(path, json={"times": 2})).status_code == 202
    assert [one["error"] for one in await sent(vendor, scene["meeting"])] == ["no webhook URL is set"] * 2


async def test_nothing_is_sent_but_the_body_and_its_type(vendor, hook):
    await vendor.finished({}, send_webhook=True)
    headers, _ = await hook.next()
    assert headers["content-type"] == "application/json"
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"}


async def test_basic_auth(hook):
    config = SandboxConfig(webhook_url=hook.url, webhook_basic_auth="hook:s3cret")
    async with Sandbox(config) as other, httpx.AsyncClient(base_url=other.url) as http:
        await http.post("/_control/meetings", json={"recordings": [{}], "send_webhook": True})
        headers, _ = await hook.next()
    assert headers["authorization"] == "basic ag9vazpzm2nyzxq="


async def test_an_object_or_an_array_of_them(vendor, hook):
    """The prose says array, the example is an object: what arrives is read alike."""
    await vendor.finished({}, {}, send_webhook=True)
    _, body = await hook.next()
    alone = parse(body)
    assert len(alone.recordings) == 2
    assert parse(b"[" + body + b"]") == alone
    both = parse(b"[" + body + b", " + example() + b"]")
    assert both.recordings == alone.recordings + parse(example()).recordings


async def test_the_host_is_named_by_number(vendor):
    payload = (await vendor.finished({}, host_id=78))["payload"]
    assert payload["hostUser"]["id"] == payload["meeting"]["host_id"] == 78
    assert payload["hostUser"]["_id"] != 78
    for host in (payload["hostUser"], {**payload["hostUser"], "id": None}, None):
        (facts,) = parse(json.dumps({**payload, "hostUser": host}).encode()).recordings
        assert facts.host.id == 78


@pytest.mark.parametrize("record", [False, True, None])
async def test_record_says_nothing(record):
    """The sample meeting says `record: false`, and it was recorded."""
    body = json.dumps({**SAMPLE, "meeting": {**SAMPLE["meeting"], "record": record}}).encode()
    assert parse(body).recordings == parse(example()).recordings
