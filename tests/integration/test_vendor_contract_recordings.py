"""The page, "Meeting recordings"; facts, "Two ways to ask for recordings" and "Download URLs".

Section or fact: the platform's test; the client's.
- the user's listing, as the page's response: test_the_users_listing; test_the_pages_listing_is_read
- the admin's, also with `file_uid`: test_the_admins_listing; test_both_listings_join_on_the_id
- `size` in MB and `duration` in seconds, or not: test_units;
  test_size_and_duration_are_taken_in_any_unit_and_prove_nothing, test_the_example_payload_is_archived
- user SigV2 and 1 h, webhook SigV2 and 7 d, admin SigV4 and 7 d: test_a_url_lives_as_long_as_its_sample_says, both
- expired: test_an_expired_url_is_refused_as_s3_does; test_a_url_that_expires_costs_few_bytes_more
- unknown scheme: test_a_url_of_unknown_scheme_lives_an_hour_from_the_fetch, test_expiry_is_read_from_the_query
- hosts seen are on the default allow-list: test_a_star_stands_for_whole_labels
- malformed escapes: test_a_broken_escape_is_refused_by_the_storage_as_any_wrong_signature;
  test_a_broken_escape_is_kept_byte_for_byte, test_the_request_carries_nothing_but_what_a_download_needs
- no vendor header for the download host: test_the_request_carries_nothing_but_what_a_download_needs
- no Range, no ETag, any type: test_a_cut_download_without_ranges_starts_anew_in_the_next_run,
  test_without_an_etag_nothing_is_resumed, test_unknown_bytes_are_kept_as_they_are
- who may list: test_who_may_list, both sides
- the admin deletes all of a meeting, `{}`: test_the_admin_deletes_all_of_a_meeting
- null, missing and unknown fields: test_null_missing_and_unknown_fields_cost_nothing, both sides; test_vendor_tolerance
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import httpx
import pytest

from receiver.errors import ApiForbiddenError, RecordingGoneError
from receiver.meetings import url_expiry
from receiver.sandbox import Sandbox, SandboxConfig
from tests.support.payloads import example, sample
from tests.support.vendor import ADMIN, KEY, login, same_shape

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTING = "/meetings/recordings/"
BROKEN = "Signature=8%2BOxOEQga2MP%XXXXX%2B4%2BYHAVjvQE%3D"


async def as_user(vendor, person, scene):
    return (await vendor.http.get(LISTING + scene["meeting"]["_id"], headers=person.headers)).json()


async def as_admin(vendor, scene):
    return (await vendor.http.get("/admin" + LISTING + scene["meeting"]["_id"], headers=ADMIN)).json()


async def listed_by_client(vendor, entries, credentials=KEY):
    """Let the platform answer with these entries once, and return what the client makes of them by id."""
    meeting_id = "602f926aaa81493ce4c5788e"
    await vendor.fault("status", match=meeting_id, status=200, body=json.dumps(entries))
    async with vendor.client(credentials) as client:
        return {str(one.id): one for one in await client.recordings(meeting_id)}


async def test_the_users_listing(vendor, host):
    scene = await vendor.finished({}, {}, host_id=host.id)
    listed = await as_user(vendor, host, scene)
    assert [one["_id"] for one in listed] == [one["_id"] for one in scene["recordings"]]
    for one in listed:
        same_shape(one, sample("recordings-listing.json")[0])
        assert one["room_id"] == scene["meeting"]["_id"]
        assert one["participants_count"] == len(one["participants_ids"]) == 1


async def test_the_admins_listing(vendor):
    scene = await vendor.finished({}, {})
    listed = await as_admin(vendor, scene)
    assert [one["file_uid"] for one in listed] == [one["file_uid"] for one in scene["recordings"]]
    for one, sent in zip(listed, scene["payload"]["callRecords"], strict=True):
        same_shape(one, sample("recording-done.json")["callRecords"][0])
        assert {**one, "download_url": ""} == {**sent, "download_url": ""}


async def test_both_listings_join_on_the_id(vendor):
    """The user's has no `file_uid`, so nothing may depend on it."""
    scene = await vendor.finished({}, {})
    async with vendor.client(KEY) as admin, vendor.client(login()) as user:
        by_admin = {one.id: one.vendor.file_uid for one in await admin.recordings(scene["meeting"]["_id"])}
        by_user = {one.id: one.vendor.file_uid for one in await user.recordings(scene["meeting"]["_id"])}
    assert by_admin == {one["_id"]: one["file_uid"] for one in scene["recordings"]}
    assert by_user == dict.fromkeys(by_admin)


@pytest.mark.parametrize(("size_bytes", "size"), [(290_000, 0.29), (1_234_567, 1.23), (0, 0)])
async def test_units(vendor, host, size_bytes, size):
    recording = {"size_bytes": size_bytes, "duration": 5.082, "kind": "generated"}
    scene = await vendor.finished(recording, host_id=host.id)
    for one in (*await as_user(vendor, host, scene), *await as_admin(vendor, scene)):
        assert (one["size"], one["duration"]) == (size, 5.082)


async def test_a_url_lives_as_long_as_its_sample_says(vendor, host):
    scene = await vendor.finished({}, host_id=host.id)
    (user,), (admin,) = await as_user(vendor, host, scene), await as_admin(vendor, scene)
    (sent,) = scene["payload"]["callRecords"]
    now = datetime.now(UTC)
    v2, v4 = {"AWSAccessKeyId", "Expires", "Signature"}, {"X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature"}
    for one, scheme, life in (
        (user, v2, timedelta(hours=1)),
        (sent, v2, timedelta(days=7)),
        (admin, v4, timedelta(days=7)),
    ):
        url = one["download_url"]
        assert scheme < set(parse_qs(urlsplit(url).query))
        assert abs(url_expiry(url, fetched_at=now - timedelta(days=99)) - now - life) < timedelta(seconds=5)
        assert (await vendor.http.get(url)).status_code == 200


@pytest.mark.parametrize("form", ["user", "admin", "webhook"])
async def test_an_expired_url_is_refused_as_s3_does(form):
    config = SandboxConfig(url_lifetime_user_s=0, url_lifetime_webhook_s=0, url_lifetime_admin_s=0)
    async with Sandbox(config) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        made = (await http.post("/_control/meetings", json={"recordings": [{}]})).json()
        platform = sandbox._platform
        (recording,) = platform.recordings.of(made["meeting"]["_id"])
        answer = await http.get(getattr(platform, f"{form}_url")(recording))
    error = ET.fromstring(answer.content)  # noqa: S314 - our own storage wrote it
    assert (answer.status_code, error.findtext("Code")) == (403, "AccessDenied")
    assert error.findtext("Message") == "Request has expired"
    assert error.findtext("Expires") <= error.findtext("ServerTime")


async def test_the_pages_listing_is_read(vendor):
    entries = sample("recordings-listing.json")
    listed = await listed_by_client(vendor, entries)
    assert [(str(one.id), one.meeting_id, one.url.url) for one in listed.values()] == [
        (entry["_id"], entry["room_id"], entry["download_url"]) for entry in entries
    ]
    assert {one.url.expires_at for one in listed.values()} == {datetime(2023, 6, 19, 15, 10, 17, tzinfo=UTC)}
    assert [one.vendor.updated_at for one in listed.values()] == [
        datetime(2023, 6, 19, 14, 10, second, tzinfo=UTC) for second in (17, 16)
    ]


@pytest.mark.parametrize("query", ["", "?token=abc", "?Expires=3600", "?X-Amz-Expires=604800"])
async def test_a_url_of_unknown_scheme_lives_an_hour_from_the_fetch(vendor, query):
    entry = {"_id": "a", "download_url": f"https://cb-recordings.s3.amazonaws.com/videos/a{query}"}
    listed = await listed_by_client(vendor, [entry])
    assert abs(listed["a"].url.expires_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=5)


async def test_a_broken_escape_is_kept_byte_for_byte(vendor):
    """The page's own webhook sample has `%XX`: decoding and encoding it again would spoil the signature."""
    records = json.loads(example())["callRecords"]
    listed = await listed_by_client(vendor, [{**one, "room_id": None} for one in records])
    assert [one.url.url for one in listed.values()] == [one["download_url"] for one in records]
    assert BROKEN in records[0]["download_url"]
    assert {one.url.expires_at for one in listed.values()} == {datetime(2023, 7, 28, 13, 42, tzinfo=UTC)}


async def test_a_broken_escape_is_refused_by_the_storage_as_any_wrong_signature(vendor):
    scene = await vendor.finished({})
    url = scene["payload"]["callRecords"][0]["download_url"]
    broken = "&".join(BROKEN if pair.startswith("Signature=") else pair for pair in url.split("&"))
    async with httpx.AsyncClient() as http:
        answer = await http.get(broken)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("meeting", "status"),
    [
        ({"host_id": 6892473}, 200),
        ({"host_id": 5, "attendees": [{"id": 6892473}]}, 200),
        ({"host_id": 5, "attendees": [{"email": "archive-bot@example.com"}]}, 200),
        ({"host_id": 5, "attendees": [{"id": 6}]}, 403),
    ],
    ids=["host", "attendee by id", "attendee by e-mail", "neither"],
)
async def test_who_may_list(vendor, meeting, status):
    scene = await vendor.finished({}, **meeting)
    async with vendor.client(KEY) as admin, vendor.client(login()) as user:
        assert len(await admin.recordings(scene["meeting"]["_id"])) == 1
        if status == 200:
            assert len(await user.recordings(scene["meeting"]["_id"])) == 1
        else:
            with pytest.raises(ApiForbiddenError, match="use the meeting's host or RECEIVER_API_ADMIN_KEY"):
                await user.recordings(scene["meeting"]["_id"])


@pytest.mark.parametrize("credentials", [KEY, login()], ids=["admin", "user"])
async def test_a_meeting_that_nobody_knows_is_gone(vendor, credentials):
    async with vendor.client(credentials) as client:
        with pytest.raises(RecordingGoneError):
            await client.recordings("0" * 24)


async def test_the_admin_deletes_all_of_a_meeting(vendor, host):
    scene, other = await vendor.finished({}, {}, host_id=host.id), await vendor.finished({})
    path = LISTING + scene["meeting"]["_id"]
    assert (await vendor.http.delete(path, headers=host.headers)).status_code == 405  # none is documented for a user
    assert (await vendor.http.delete("/admin" + path)).status_code == 401
    assert len(await as_admin(vendor, scene)) == 2
    answer = await vendor.http.delete("/admin" + path, headers=ADMIN)
    assert (answer.status_code, answer.json()) == (200, {})
    assert await as_admin(vendor, scene) == await as_user(vendor, host, scene) == []
    statuses = [(await vendor.http.get(one["download_url"])).status_code for one in scene["payload"]["callRecords"]]
    assert statuses == [404, 404]
    assert len(await as_admin(vendor, other)) == 1
    assert (await vendor.http.delete(f"/admin{LISTING}unknown", headers=ADMIN)).status_code == 404


async def test_recordings_of_a_deleted_meeting_stay_for_the_admin(vendor, host):
    scene = await vendor.finished({}, host_id=host.id)
    await vendor.http.delete(f"/meetings/{scene['meeting']['_id']}", headers=host.headers)
    async with vendor.client(KEY) as admin:
        assert len(await admin.recordings(scene["meeting"]["_id"])) == 1
    assert (await vendor.http.get(LISTING + scene["meeting"]["_id"], headers=host.headers)).status_code == 404


async def test_null_missing_and_unknown_fields_cost_nothing(vendor, host):
    scene = await vendor.finished({"duration": None}, host_id=host.id)
    assert [one["duration"] for one in await as_user(vendor, host, scene)] == [None]
    known = sample("recording-done.json")["callRecords"][0]
    ids = {"_id": "a", "download_url": known["download_url"]}
    nulls = dict.fromkeys(known) | ids
    listed = await listed_by_client(vendor, [nulls, ids | {"_id": "b"}, {**nulls, "_id": "c", "codec": {"v": [1]}}])
    assert [(key, one.url.url, one.vendor.file_uid, one.vendor.updated_at) for key, one in listed.items()] == [
        (key, known["download_url"], None, None) for key in "abc"
    ]
