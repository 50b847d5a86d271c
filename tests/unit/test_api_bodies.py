"""How a record's values leave as JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from receiver.api.bodies import RecordingBody
from receiver.records import Host, Meeting, MeetingId, Recording, RecordingId, State, VendorFacts, Via

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_times_leave_as_utc_with_z_and_a_number_that_is_none_as_null():
    recording = Recording(
        id=RecordingId("r1"),
        meeting=Meeting(id=MeetingId("m1"), start_date=NOON.astimezone(timezone(timedelta(hours=2))).astimezone(UTC)),
        host=Host(),
        vendor=VendorFacts(
            duration_s=math.nan,
            vendor_size=math.inf,
            created_at=NOON,
            updated_at=NOON.replace(microsecond=120_000),
        ),
        state=State.PENDING,
        attempts=0,
        next_attempt_at=None,
        error=None,
        archive=None,
        archived_at=None,
        transfer=None,
        hold=False,
        url_origin=None,
        first_seen_via=Via.WEBHOOK,
        first_seen_at=NOON,
    )
    text = RecordingBody.of(recording).model_dump_json()
    found = json.loads(text, parse_constant=pytest.fail)
    assert (found["duration_s"], found["vendor_size"]) == (None, None)
    assert (found["created_at"], found["meeting"]["start_date"]) == ("2026-11-23T12:00:00Z",) * 2
    assert found["updated_at"] == "2026-11-23T12:00:00.120000Z"
