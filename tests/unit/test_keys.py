"""Where recordings lie: ids unchanged, names slugged, never two recordings under one key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.pipeline import KeyTemplate
from receiver.records import Host, Meeting, MeetingId, Recording, RecordingId, State, VendorFacts, Via
from receiver.settings.values import sets_ids_apart
from tests.support.clock import NOW

IDS = st.text("ab-", min_size=1, max_size=4)
BY_DEFAULT = KeyTemplate("", "recordings/{created_at:%Y/%m/%d}/{meeting_id}/{recording_id}")


def recording(recording_id: str, meeting_id: str = "m", name: str | None = None) -> Recording:
    return Recording(
        id=RecordingId(recording_id),
        meeting=Meeting(id=MeetingId(meeting_id), name=name),
        host=Host(id=7),
        vendor=VendorFacts(created_at=NOW),
        state=State.ARCHIVING,
        attempts=1,
        next_attempt_at=None,
        error=None,
        archive=None,
        archived_at=None,
        transfer=None,
        hold=False,
        url_origin=None,
        first_seen_via=Via.WEBHOOK,
        first_seen_at=NOW,
    )


@pytest.mark.parametrize("recording_id", ["X", "-X", "X--", "--X_-", "-", "_"])
def test_an_id_is_in_the_key_as_it_is(recording_id: str) -> None:
    key = BY_DEFAULT.key(recording(recording_id, "-m-"), ".mp4")
    assert key == f"recordings/{NOW:%Y/%m/%d}/-m-/{recording_id}.mp4"


def test_a_name_is_slugged_and_a_missing_date_is_when_the_recording_was_first_seen() -> None:
    keys = KeyTemplate("team/", "{created_at:%Y}/{meeting_name}/{host_id}/{recording_id}")
    one = recording("r", name="../../a weekly\n/ *")
    one = replace(one, vendor=VendorFacts(), host=Host())
    assert keys.key(one, ".webm") == f"team/{NOW:%Y}/a-weekly/unknown/r.webm"


@pytest.mark.parametrize(
    "template",
    [
        BY_DEFAULT.template,
        "{recording_id}.of.{meeting_id}",
        "{created_at:%Y%m%d}-{recording_id}",
        "{meeting_id}-{host_id}/{recording_id:.3}",
    ],
)
@settings(deadline=None)
@given(one=st.tuples(IDS, IDS), other=st.tuples(IDS, IDS))
def test_no_two_recordings_have_one_key(template: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    assert sets_ids_apart(template)
    keys = [KeyTemplate("", template).key(recording(*ids), ".mp4") for ids in (one, other)]
    assert keys[0] != keys[1] or one[0] == other[0]


def test_a_key_that_is_too_long_keeps_the_id() -> None:
    keys = KeyTemplate("p" * 850 + "/", "{meeting_name}/{recording_id}")
    found = {keys.key(recording(f"{n:0>64}", name="n" * 80), ".mp4") for n in range(3)}
    assert len(found) == 3
    assert {len(key) for key in found} == {904}


@pytest.mark.parametrize(
    "template",
    [
        "{meeting_id}-{recording_id}",
        "{recording_id}_{meeting_name}/x",
        "{host_id}{recording_id}",
    ],
)
def test_a_template_that_runs_ids_into_other_texts_is_known(template: str) -> None:
    assert not sets_ids_apart(template)
