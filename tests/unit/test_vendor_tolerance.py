"""Facts, "Shape conflicts to tolerate": any field but the ids may be null, missing, of another type, or unknown.

Whatever stands in the fields of one entry, the entries beside it are read as if it were not there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from receiver.meetings.payload import NotRecordingDoneError, parse
from receiver.meetings.recordings_listing import read_entries
from receiver.records import MeetingId, Parsed
from tests.support.payloads import example, sample

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAMPLE = json.loads(example())
MEETING = MeetingId(SAMPLE["meeting"]["_id"])
GOOD = SAMPLE["callRecords"][0]

# A busy machine is no defect of the reader's.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
ODD = st.sampled_from(
    [
        GOOD["_id"],
        MEETING,
        GOOD["download_url"],
        "https://a/\0",
        "-1",
        "",
        "0001-01-01T00:00:00+23:00",
        10**400,
        1e300,
        -1,
    ]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | ODD
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def spoiled(known: dict[str, Any], *kept: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for `known` with each field as it is, anything, or missing, and with unknown ones beside it."""
    fields = {
        name: st.just(value) if name in kept else st.just(value) | TEXT | ODD | ANYTHING
        for name, value in known.items()
    }
    required = {name: fields.pop(name) for name in kept}
    known_fields = st.fixed_dictionaries(required, optional=fields)
    return st.builds(
        lambda one, more: more | one, known_fields, st.dictionaries(st.text(max_size=8), ANYTHING, max_size=2)
    )


SPOILED_RECORD = spoiled(GOOD)
ADVISORY_RECORD = spoiled({**GOOD, "_id": "other"}, "_id", "room_id")
LISTED_ENTRY = spoiled({**GOOD, "_id": "other"}, "_id", "room_id", "download_url")


def payload_of(*records: Any, meeting: Any = None, host: Any = None) -> bytes:
    return json.dumps(
        {"meeting": meeting or SAMPLE["meeting"], "hostUser": host or SAMPLE["hostUser"], "callRecords": records}
    ).encode()


def listing_of(*entries: Any) -> Any:
    return read_entries(json.dumps(entries).encode(), MEETING, fetched_at=NOW)


GOOD_FACTS = parse(payload_of(GOOD)).recordings[0]
GOOD_LISTED = next(iter(listing_of(GOOD).kept.values()))


@patient
@given(bad=st.lists(SPOILED_RECORD.filter(lambda one: one.get("_id") != GOOD["_id"]) | ANYTHING, max_size=2))
def test_a_good_record_stands_beside_any_others(bad: list[Any]) -> None:
    parsed = parse(payload_of(*bad, GOOD))
    assert parsed.recordings[-1] == GOOD_FACTS
    assert len(parsed.rejected) <= len(bad)
    assert all(rejected.errors for rejected in parsed.rejected)


@patient
@given(record=ADVISORY_RECORD)
def test_a_record_is_kept_for_its_ids_alone(record: dict[str, Any]) -> None:
    (facts,) = parse(payload_of(record)).recordings
    assert (facts.id, facts.meeting.id) == ("other", MEETING)
    assert "\0" not in f"{facts.vendor.file_uid}{facts.payload_url}"


@patient
@given(meeting=spoiled(SAMPLE["meeting"], "_id"), host=spoiled(SAMPLE["hostUser"]) | ANYTHING)
def test_meeting_and_host_cost_no_recording(meeting: dict[str, Any], host: Any) -> None:
    (facts,) = parse(payload_of(GOOD, meeting=meeting, host=host)).recordings
    assert (facts.id, facts.meeting.id, facts.payload_url) == (GOOD["_id"], MEETING, GOOD["download_url"])


@patient
@given(item=ANYTHING | st.fixed_dictionaries({"meeting": ANYTHING, "hostUser": ANYTHING, "callRecords": ANYTHING}))
def test_a_good_object_stands_beside_any_others_in_an_array(item: Any) -> None:
    body = b"[" + json.dumps(item).encode() + b"," + payload_of(GOOD) + b"]"
    assert parse(body).recordings[-1] == GOOD_FACTS


@patient
@given(body=ANYTHING | st.fixed_dictionaries({"meeting": ANYTHING, "hostUser": ANYTHING, "callRecords": ANYTHING}))
def test_any_body_is_read_or_refused_in_words(body: Any) -> None:
    try:
        assert isinstance(parse(json.dumps(body).encode()), Parsed)
    except NotRecordingDoneError as refused:
        assert refused.errors  # noqa: PT017  (both outcomes are right; no other error is)


@patient
@given(bad=st.lists(SPOILED_RECORD.filter(lambda one: one.get("_id") != GOOD["_id"]) | ANYTHING, max_size=2))
def test_a_good_entry_of_a_listing_stands_beside_any_others(bad: list[Any]) -> None:
    entries = listing_of(*bad, GOOD)
    assert entries.kept[GOOD["_id"]] == GOOD_LISTED
    assert len(entries.kept) + len(entries.refused) + len(entries.dropped) <= len(bad) + 1


@patient
@given(entry=LISTED_ENTRY)
def test_a_listed_entry_is_kept_for_its_ids_and_url_alone(entry: dict[str, Any]) -> None:
    (listed,) = listing_of(entry).kept.values()
    assert (listed.id, listed.meeting_id, listed.url.url) == ("other", MEETING, GOOD["download_url"])


@patient
@given(entry=LISTED_ENTRY)
def test_an_entry_says_the_same_in_a_webhook_and_in_a_listing(entry: dict[str, Any]) -> None:
    (told,) = parse(payload_of(entry)).recordings
    (listed,) = listing_of(entry).kept.values()
    assert (told.id, told.meeting.id, told.payload_url) == (listed.id, listed.meeting_id, listed.url.url)
    assert told.vendor == listed.vendor


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (GOOD["download_url"], True),
        ("https://a/%XX%", True),
        (None, False),
        ("", False),
        (5, False),
        ("https://a/\0", False),
        ("https://a/\r\nX: y", False),
        ("https://a/ b", False),
        ("https://a/" + "x" * 8192, False),
        ("https://a/\ud800", False),
    ],
)
def test_a_url_that_no_request_can_hold_costs_the_url_and_not_the_recording(url: Any, kept: bool) -> None:
    """The POST is a hint: with credentials the API is asked for a URL in any case."""
    (facts,) = parse(payload_of({**GOOD, "download_url": url})).recordings
    assert facts.payload_url == (url if kept else None)


@pytest.mark.parametrize(("size", "duration"), [(0.29, 5.082), (1_000_000, 60_000), (0, 0), (None, None)])
def test_size_and_duration_are_taken_in_any_unit_and_prove_nothing(size: Any, duration: Any) -> None:
    entry = {**GOOD, "size": size, "duration": duration}
    (facts,) = parse(payload_of(entry)).recordings
    assert (facts.vendor.vendor_size, facts.vendor.duration_s) == (size, duration)
    (listed,) = listing_of(entry).kept.values()
    assert (listed.id, listed.url) == (GOOD_LISTED.id, GOOD_LISTED.url)


def test_a_listing_without_file_uid_is_the_same_but_for_it() -> None:
    for entry in sample("recordings-listing.json"):
        (listed,) = read_entries(
            json.dumps([entry]).encode(), MeetingId(entry["room_id"]), fetched_at=NOW
        ).kept.values()
        assert (listed.id, listed.vendor.file_uid) == (entry["_id"], None)
