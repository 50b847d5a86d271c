"""The payload: what is taken, what is dropped, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from receiver.meetings.payload import (
    MAX_EXPLAINED,
    MAX_MEETINGS_ASKED,
    MAX_RECORDS,
    NotJsonError,
    NotRecordingDoneError,
    parse,
)
from tests.support.payloads import example, payload


def test_the_page_s_example_is_read_whole() -> None:
    first, second = parse(example()).recordings
    assert (first.id, second.id) == ("64ba8abeea1de683a37139fd", "64ba8acdea1de683a37139fe")
    assert first.meeting.id == "64ba8ab043e599002b5bdbca"
    assert first.meeting.name == "My meeting"
    assert first.meeting.start_date == datetime(2023, 7, 21, 13, 40, 1, tzinfo=UTC)
    assert first.meeting.end_date == datetime(2023, 7, 21, 14, 40, 1, tzinfo=UTC)
    assert (first.host.id, first.host.name) == (6892473, "Sam Fisher")
    assert (first.host.login, first.host.email) == ("resourceful-norris-75", "example-sam@email.com")
    assert second.vendor.participant_ids == (6892473, 6892477)
    assert (second.vendor.participants_count, second.vendor.duration_s, second.vendor.vendor_size) == (2, 8.862, 0.52)
    assert second.vendor.file_uid == "5dfdffd3-1ffc-41f5-8d3c-6425df91c4b5_64ba8ab043e599002b5bdbca"
    assert second.vendor.created_at == datetime(2023, 7, 21, 13, 40, 29, tzinfo=UTC)
    assert second.payload_url is not None
    assert "%XXXXX%2B4%2BYHAVjvQE%3D" in (first.payload_url or "")  # malformed escapes are kept byte for byte


def test_an_array_of_objects_is_taken_as_the_prose_says() -> None:
    body = b"[" + payload("a") + b"," + payload("b", meeting_id="meeting-2") + b"]"
    assert [(r.id, r.meeting.id) for r in parse(body).recordings] == [("a", "meeting-1"), ("b", "meeting-2")]


def test_good_records_stand_beside_bad_ones() -> None:
    body = json.loads(payload("good", "../../etc/passwd", "also-good"))
    body["callRecords"] += [None, {"_id": "x" * 65}, {"room_id": "m"}]
    parsed = parse(json.dumps(body).encode())
    assert [r.id for r in parsed.recordings] == ["good", "also-good"]
    assert [(r.index, r.errors) for r in parsed.rejected] == [
        (1, ("callRecords[1]._id must be 1 to 64 of the characters A-Z a-z 0-9 _ -",)),
        (3, ("callRecords[3] must be an object",)),
        (4, ("callRecords[4]._id must be 1 to 64 of the characters A-Z a-z 0-9 _ -",)),
        (5, ("callRecords[5]._id: field required",)),
    ]


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("duration", "NaN", None),
        ("duration", "1e400", None),
        ("duration", "-1", None),
        ("duration", '"long"', None),
        ("duration", "60000", 60000.0),
        ("size", "1000000", 1000000.0),
        ("participants_count", "10000000000000000000000000", None),
        ("participants_count", "true", None),
        ("participants_ids", '[1, "2", null, -3, 1e400, 1, 99999999999999999999]', (1, 2)),
        ("participants_ids", "null", ()),
        ("created_at", '"2023-07-21T13:40:14.5+02:00"', datetime(2023, 7, 21, 11, 40, 14, 500000, tzinfo=UTC)),
        ("created_at", "1689946801", datetime(2023, 7, 21, 13, 40, 1, tzinfo=UTC)),
        ("created_at", "1689946801000", datetime(2023, 7, 21, 13, 40, 1, tzinfo=UTC)),
        ("created_at", '"1689946801000"', datetime(2023, 7, 21, 13, 40, 1, tzinfo=UTC)),
        ("created_at", "100000000000", datetime(5138, 11, 16, 9, 46, 40, tzinfo=UTC)),
        ("created_at", "1e300", None),
        ("created_at", '"yesterday"', None),
        ("created_at", '"0001-01-01T00:00:00+23:00"', None),
        ("file_uid", '"a\\u0000b\\ud800"', None),  # it names a file, and a repaired one would name another
        ("file_uid", f'"{"a" * 512}"', "a" * 512),
        ("file_uid", f'"{"a" * 513}"', None),
        ("file_uid", "{}", None),
        ("unknown", "[[[]]]", None),
    ],
)
def test_nonsense_in_an_advisory_field_costs_that_field_only(field: str, value: str, read: Any) -> None:
    body = f'{{"meeting": {{"_id": "m"}}, "callRecords": [{{"_id": "r", "{field}": {value}}}]}}'.encode()
    (found,) = parse(body).recordings
    names = {"duration": "duration_s", "size": "vendor_size", "participants_ids": "participant_ids"}
    if field != "unknown":
        assert getattr(found.vendor, names.get(field, field)) == read


def test_a_record_of_another_room_does_not_borrow_this_meeting_s_name_and_host() -> None:
    (found,) = parse(payload("a", room_id="elsewhere")).recordings
    assert (found.meeting.id, found.meeting.name, found.host.id) == ("elsewhere", None, None)


def test_of_one_id_twice_the_newer_is_taken() -> None:
    body = json.loads(payload("a", duration=1, updated_at="2026-11-22T11:00:00Z"))
    body["callRecords"] += json.loads(payload("a", duration=2, updated_at="2026-11-22T10:00:00Z"))["callRecords"]
    (found,) = parse(json.dumps(body).encode()).recordings
    assert found.vendor.duration_s == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "nests deeper"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_is_not_json(body: bytes, reason: str) -> None:
    with pytest.raises(NotJsonError, match=reason):
        parse(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"null", "the body must be an object"),
        (b"[]", "empty array"),
        (b"{}", "meeting: field required; callRecords: field required"),
        (b'{"meeting": null, "callRecords": []}', "meeting must be an object"),
        (b'{"meeting": {"_id": "a/b"}, "callRecords": []}', "meeting._id must be 1 to 64"),
        (b'{"meeting": {"_id": "a"}, "callRecords": {}}', "callRecords: input should be a valid list"),
        (b'{"meeting": {"_id": "a"}, "callRecords": [{}]}', "no record of callRecords can be used"),
    ],
)
def test_what_is_not_a_recording_done_payload(body: bytes, reason: str) -> None:
    with pytest.raises(NotRecordingDoneError, match=reason):
        parse(body)


def test_a_meeting_without_recordings_is_taken() -> None:
    assert parse(b'{"meeting": {"_id": "a"}, "hostUser": 5, "callRecords": []}').recordings == ()


@pytest.mark.parametrize(
    ("spoiled", "name"),
    [
        (b"W\xe9kly", "W\ufffdkly"),
        (b"We\xef\xbb\xbfekly", "We\ufeffekly"),
        (b"We\0ekly", "Weekly"),
        (b"We\nekly", "We\nekly"),
        (b"We\\ud800ekly", "We?ekly"),
    ],
    ids=["Latin-1", "a byte order mark", "NUL", "a line break", "a lone surrogate"],
)
def test_text_that_is_spoiled_is_repaired(spoiled: bytes, name: str) -> None:
    (found,) = parse(payload("a").replace(b"Weekly", spoiled)).recordings
    assert found.meeting.name == name


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b"\xef\xbb\xbf", b""),
        (b"\xef\xbb\xbf\xef\xbb\xbf", b""),
        (b"\0", b""),
        (b"", b"\0\0"),
        (b"\xef\xbb\xbf", b"\r\n\0"),
    ],
)
def test_what_stands_around_the_body_is_passed_over(before: bytes, behind: bytes) -> None:
    assert len(parse(before + payload("a") + behind).recordings) == 1


@pytest.mark.parametrize("spoiled", [b"r\xe9", b"r\0", b"r\xef\xbb\xbf", b"r\n"])
def test_no_repair_makes_an_id_or_a_file_of_what_is_none(spoiled: bytes) -> None:
    body = payload("good", "bad", file_uid="file").replace(b'"bad"', b'"' + spoiled + b'"')
    parsed = parse(body.replace(b'"file"', b'"' + spoiled + b'"'))
    assert [(one.id, one.vendor.file_uid) for one in parsed.recordings] == [("good", None)]
    assert [one.index for one in parsed.rejected] == [1]


def test_rejected_records_are_counted_and_the_first_explained() -> None:
    body = json.loads(payload("good"))
    body["callRecords"] = [*[0] * 5000, *body["callRecords"], *[{}] * 5000]
    parsed = parse(json.dumps(body).encode())
    assert [one.id for one in parsed.recordings] == ["good"]
    assert (parsed.rejected_count, len(parsed.rejected)) == (10_000, MAX_EXPLAINED + 1)
    assert parsed.rejected[-1].errors == (
        f"{10_000 - MAX_EXPLAINED} more cannot be used either; the first 20 are explained",
    )
    assert parsed.ask == ("meeting-1",)


def test_more_records_than_are_taken_are_told_and_left_to_a_replay() -> None:
    body = json.dumps({"meeting": {"_id": "m"}, "callRecords": [{"_id": f"r{n}"} for n in range(MAX_RECORDS + 7)]})
    parsed = parse(body.encode())
    assert (len(parsed.recordings), parsed.rejected_count, parsed.ask) == (MAX_RECORDS, 7, ("m",))
    (told,) = parsed.rejected
    assert told.index == MAX_RECORDS
    assert told.errors[0].startswith("from here on 7 records were not taken")
    whole = parse(body.encode(), bounded=False)
    assert (len(whole.recordings), whole.rejected, whole.ask) == (MAX_RECORDS + 7, (), ())


def test_participants_are_bounded_of_one_recording_and_of_all() -> None:
    records = [{"_id": f"r{n}", "participants_ids": list(range(5000)), "participants_count": 5000} for n in range(40)]
    found = parse(json.dumps({"meeting": {"_id": "m"}, "callRecords": records}).encode()).recordings
    assert len(found[0].vendor.participant_ids) == 1000
    assert sum(len(one.vendor.participant_ids) for one in found) == 20_000
    assert {one.vendor.participants_count for one in found} == {5000}


@pytest.mark.parametrize(
    ("document", "asked"),
    [
        ({"meeting": {"_id": "m"}, "callRecords": []}, ("m",)),
        ({"meeting": {"_id": "m"}, "callRecords": [{"_id": "r"}]}, ()),
        ({"meeting": {"_id": "m"}, "callRecords": [{"_id": "r"}, {}]}, ("m",)),
        ([{"meeting": {"_id": f"m{n}"}, "callRecords": []} for n in range(2)], ("m0", "m1")),
    ],
)
def test_a_meeting_without_all_its_records_is_to_be_asked_for(document: Any, asked: tuple[str, ...]) -> None:
    assert parse(json.dumps(document).encode()).ask == asked


@pytest.mark.parametrize("records", ["[0]", "[{}, null]", "null", "{}"])
def test_a_refused_payload_still_says_which_meeting_to_ask_for(records: str) -> None:
    with pytest.raises(NotRecordingDoneError) as e:
        parse(f'{{"meeting": {{"_id": "m"}}, "callRecords": {records}}}'.encode())
    assert e.value.ask == ("m",)


def test_no_more_than_some_meetings_are_asked_for() -> None:
    body = json.dumps([{"meeting": {"_id": f"m{n}"}, "callRecords": []} for n in range(MAX_MEETINGS_ASKED + 3)])
    parsed = parse(body.encode())
    assert len(parsed.ask) == MAX_MEETINGS_ASKED
    assert [one.errors[0][:27] for one in parsed.rejected] == ["3 meetings without records "]
    assert len(parse(body.encode(), bounded=False).ask) == MAX_MEETINGS_ASKED + 3
