from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from receiver.errors import ApiBadAnswerError
from receiver.meetings.answer import MAX_ENTRIES
from receiver.meetings.recordings_listing import read_entries
from receiver.records import MeetingId, UrlOrigin

FETCHED = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEETING = MeetingId("602f926aaa81493ce4c5788e")
GOOD = {
    "_id": "649061c8d0b83a4a6dc85d0c",
    "room_id": MEETING,
    "updated_at": "2023-06-19T14:10:17Z",
    "download_url": "https://cb-recordings.s3.amazonaws.com/videos/dHk9?Expires=1687187417&Signature=uRGx",
    "participants_ids": [78934],
    "duration": 6.062,
    "size": 0.34,
}


def read(*entries):
    return read_entries(json.dumps(entries).encode(), MEETING, fetched_at=FETCHED)


def test_entry_of_the_vendors_page_is_read():
    (recording,) = read(GOOD).kept.values()
    assert recording.id == GOOD["_id"]
    assert recording.meeting_id == MEETING
    assert recording.url.url == GOOD["download_url"]
    assert recording.url.expires_at == datetime(2023, 6, 19, 15, 10, 17, tzinfo=UTC)
    assert recording.url.origin is UrlOrigin.API
    assert recording.vendor.updated_at == datetime(2023, 6, 19, 14, 10, 17, tzinfo=UTC)
    assert recording.vendor.file_uid is None


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"file_uid": "uid_1"}, "file_uid", "uid_1"),
        ({"file_uid": 7}, "file_uid", None),
        ({"file_uid": "nul\0"}, "file_uid", None),
        ({"file_uid": ""}, "file_uid", None),
        ({"updated_at": None}, "updated_at", None),
        ({"updated_at": 1687187417}, "updated_at", datetime(2023, 6, 19, 15, 10, 17, tzinfo=UTC)),
        ({"updated_at": "yesterday"}, "updated_at", None),
        ({"updated_at": "0001-01-01T00:00:00+05:00"}, "updated_at", None),
        ({"updated_at": "2023-06-19T14:10:17"}, "updated_at", datetime(2023, 6, 19, 14, 10, 17, tzinfo=UTC)),
        ({"updated_at": "2023-06-19T16:10:17+02:00"}, "updated_at", datetime(2023, 6, 19, 14, 10, 17, tzinfo=UTC)),
        ({"size": None, "duration": [], "new": {"a": 1}}, "vendor_size", None),
    ],
)
def test_optional_fields_may_be_anything(change, field, expected):
    (recording,) = read(GOOD | change).kept.values()
    assert getattr(recording.vendor, field) == expected


def test_entry_that_names_no_meeting_is_of_the_one_asked_for():
    (recording,) = read(GOOD | {"room_id": None}).kept.values()
    assert recording.meeting_id == MEETING


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "text",
        {},
        {**GOOD, "_id": None},
        {**GOOD, "_id": 5},
        {**GOOD, "_id": "../../etc"},
        {**GOOD, "_id": "a" * 65},
        {**GOOD, "_id": "newline\n"},
        {**GOOD, "_id": "other", "download_url": None},
        {**GOOD, "_id": "other", "download_url": ""},
        {**GOOD, "_id": "other", "download_url": ["https://a"]},
        {**GOOD, "_id": "other", "download_url": "https://a/" + "x" * 8192},
        {**GOOD, "_id": "other", "download_url": "https://a/\r\nX: y"},
        {**GOOD, "_id": "other", "download_url": "https://a/\ud800"},
        {**GOOD, "download_url": "https://a/second-of-this-id"},
    ],
)
def test_bad_entry_is_dropped_and_the_good_one_stays(bad):
    with capture_logs() as logs:
        entries = read(GOOD, bad)
    assert [r.url.url for r in entries.kept.values()] == [GOOD["download_url"]]
    assert [line["event"] for line in logs] == ["listing_entry_dropped"]
    assert not entries.refused


@pytest.mark.parametrize("room", ["another", "", 602, ["602f926aaa81493ce4c5788e"]])
def test_another_meetings_entry_is_refused(room):
    with capture_logs() as logs:
        entries = read(GOOD, {**GOOD, "_id": "foreign", "room_id": room})
    assert entries.refused == {"foreign"}
    assert list(entries.kept) == [GOOD["_id"]]
    assert [(line["event"], line["recording_id"]) for line in logs] == [("listing_entry_refused", "foreign")]


def test_flood_of_bad_entries_does_not_flood_the_log():
    with capture_logs() as logs:
        entries = read(*[None] * 5000, *[{**GOOD, "_id": f"f{n}", "room_id": "x"} for n in range(5000)])
    assert (len(entries.dropped), len(entries.refused)) == (5000, 5000)
    assert len(logs) < 30
    assert logs[-1]["event"] == "listing_mostly_unusable"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"items": []}',
        b"null",
        b'"a"',
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b"[" + b"9" * 5000 + b"]x",
    ],
)
def test_body_that_is_no_json_array_is_a_bad_answer(body):
    with pytest.raises(ApiBadAnswerError, match="RECEIVER_API_URL"):
        read_entries(body, MEETING, fetched_at=FETCHED)


def test_url_of_unknown_scheme_lives_an_hour_from_the_fetch():
    (recording,) = read({**GOOD, "download_url": "https://files.example/a"}).kept.values()
    assert recording.url.expires_at == FETCHED + timedelta(hours=1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" + b"{}," * MAX_ENTRIES + b"{}]", f"{MAX_ENTRIES + 1} entries"),
        (b"[" + b"{}," * 900_000 + b"{}]", "more than 500000 values"),
        (b"[" + b"[" * 600_000, "more than 500000 values"),
        (b"[" + b"0," * 600_000 + b"0]", "more than 500000 values"),
    ],
    ids=["entries", "objects", "depth", "numbers"],
)
def test_a_listing_larger_than_memory_bears_is_refused(body, reason):
    with pytest.raises(ApiBadAnswerError, match=reason):
        read_entries(body, MEETING, fetched_at=FETCHED)


def test_a_url_that_ends_in_a_space_is_read():
    (recording,) = read(GOOD | {"download_url": GOOD["download_url"] + " "}).kept.values()
    assert recording.url.url == GOOD["download_url"]
