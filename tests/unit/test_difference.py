"""What a listing and the catalogue say differently, case by case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from receiver.lifecycle import CLAIMABLE
from receiver.reconcile.difference import compare
from receiver.records import (
    FreshUrl,
    KnownRecording,
    ListedRecording,
    MeetingId,
    RecordingId,
    State,
    UrlOrigin,
    VendorFacts,
    Via,
)
from tests.support.clock import NOW

GRACE = timedelta(seconds=30)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
URL = FreshUrl(url="https://x.example/1", expires_at=NOW, origin=UrlOrigin.API)


def listed(**more) -> ListedRecording:
    return ListedRecording(id=RecordingId("r"), meeting_id=MeetingId("m"), url=URL, vendor=VendorFacts(**more))


def known(state: State, *, meeting="m", seen=NOW - HOUR, file_uid=None, updated_at=None) -> KnownRecording:
    return KnownRecording(
        id=RecordingId("r"),
        meeting_id=MeetingId(meeting),
        state=state,
        file_uid=file_uid,
        updated_at=updated_at,
        first_seen_via=Via.WEBHOOK,
        first_seen_at=seen,
    )


def names(rows, entries, elsewhere=()) -> set[str]:
    """Return which lists of the difference are not empty."""
    difference = compare(rows, entries, elsewhere=elsewhere, now=NOW, grace=GRACE)
    fields = ("lacking", "recent", "missing", "moved", "gone", "lost", "changed")
    return {name for name in fields if getattr(difference, name)}


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        (None, {"lacking"}),
        (NOW - HOUR, {"lacking"}),
        (NOW - GRACE, {"lacking"}),
        (NOW - GRACE + SECOND, {"recent"}),
        (NOW + GRACE - SECOND, {"recent"}),
        (NOW + GRACE, {"lacking"}),  # the API's clock is off
    ],
)
def test_what_the_catalogue_lacks_is_a_gap_once_no_webhook_can_be_under_way(created_at, expected):
    assert names([], [listed(created_at=created_at)]) == expected


@pytest.mark.parametrize("state", State)
def test_what_is_listed_is_news_of_a_missing_one_alone(state):
    assert names([known(state)], [listed(created_at=NOW)]) == ({"missing"} if state is State.MISSING else set())


@pytest.mark.parametrize("state", State)
def test_what_is_not_listed_is_gone_where_it_was_archived_has_work_or_was_never_found(state):
    expected = {State.ARCHIVED: {"gone"}} | {one: {"gone", "lost"} for one in {*CLAIMABLE, State.MISSING}}
    assert names([known(state)], []) == expected.get(state, set())
    assert names([known(state, seen=NOW - GRACE + SECOND)], []) == set()


@pytest.mark.parametrize("state", State)
def test_what_is_listed_and_known_under_another_meeting_moves_unless_it_is_archived(state):
    elsewhere = [known(state, meeting="another")]
    expected = {State.ARCHIVED: {"changed"}, State.ERASED: set()}.get(state, {"moved"})
    assert names([], [listed(created_at=NOW)], elsewhere) == expected
    reopened = compare([], [listed()], elsewhere=elsewhere, now=NOW, grace=GRACE).reopened
    assert reopened == (state in {State.FAILED, State.MISSING})


@pytest.mark.parametrize(
    ("row", "entry", "differs"),
    [
        ({}, {}, False),
        ({"file_uid": "a"}, {"file_uid": "a"}, False),
        ({"file_uid": "a"}, {"file_uid": "b"}, True),
        ({"file_uid": "a"}, {}, False),  # a user's listing has none
        ({}, {"file_uid": "b"}, False),
        ({"updated_at": NOW}, {"updated_at": NOW}, False),
        ({"updated_at": NOW}, {"updated_at": NOW + SECOND / 2}, False),  # the webhook writes whole seconds
        ({"updated_at": NOW}, {"updated_at": NOW + SECOND}, True),
        ({"updated_at": NOW}, {"updated_at": NOW - HOUR}, True),
        ({"updated_at": NOW}, {}, False),
        ({}, {"updated_at": NOW}, False),
        ({"file_uid": "a", "updated_at": NOW}, {"file_uid": "a", "updated_at": NOW + HOUR}, True),
    ],
)
def test_an_archived_one_whose_source_differs_is_changed(row, entry, differs):
    assert names([known(State.ARCHIVED, **row)], [listed(**entry)]) == ({"changed"} if differs else set())
    assert names([known(State.PENDING, **row)], [listed(**entry)]) == set()
