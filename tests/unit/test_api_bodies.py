"""How a record's values leave as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from receiver.api.bodies import RecordingBody, RecordingsBody
from receiver.progress import Transfer
from receiver.records import (
    Attendee,
    CopyProof,
    Failure,
    Host,
    Meeting,
    MeetingId,
    Page,
    Recording,
    RecordingId,
    Rung,
    State,
    StoredFile,
    UrlOrigin,
    VendorFacts,
    Via,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


BARE = Recording(
    id=RecordingId("r1"),
    meeting=Meeting(id=MeetingId("m1"), start_date=NOON.astimezone(timezone(timedelta(hours=2))).astimezone(UTC)),
    host=Host(),
    vendor=VendorFacts(
        duration_s=math.nan, vendor_size=math.inf, created_at=NOON, updated_at=NOON.replace(microsecond=120_000)
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
FULL = replace(
    BARE,
    meeting=Meeting(id=MeetingId("m2"), name='"Zürich"\u2028\x7f', start_date=NOON, end_date=NOON),
    host=Host(id=2**62, name="Sam <b>", login="sam", email="sam@example.com"),
    vendor=VendorFacts(participant_ids=(7, 8), participants_count=2, file_uid="u", duration_s=1e22, vendor_size=12.5),
    state=State.ARCHIVED,
    next_attempt_at=NOON,
    error=Failure(code="c", message="m", at=NOON, origin="o", setting="s", cut_sha256="x"),
    archive=StoredFile(
        bucket="b",
        key="k.v2.mp4",
        version_id="v",
        size_bytes=1,
        sha256="00",
        checksum="crc64nvme:AAAA",
        content_type="video/mp4",
        incomplete="cut",
        proof=CopyProof(rung=Rung.CRC32C_PARTS, value="AAAA-2", at=NOON),
    ),
    archived_at=NOON,
    transfer=Transfer(bytes_done=5, size_bytes=9, sent_bytes=3, elapsed_s=0.7, read_back_bytes=1),
    url_origin=UrlOrigin.API,
    attendees=(Attendee(id=7), Attendee(email="a@example.com")),
)


@pytest.mark.parametrize("items", [(), (BARE,), (FULL, BARE)])
def test_a_page_that_is_written_without_its_model_is_the_same_to_the_byte(items: tuple[Recording, ...]):
    page = Page(items=items, next_cursor="next" if items else None)
    assert RecordingsBody.written(page) == RecordingsBody.of(page).model_dump_json().encode()
    for one in items:
        assert RecordingBody.written(one) == RecordingBody.of(one).model_dump_json().encode()


def test_times_leave_as_utc_with_z_and_a_number_that_is_none_as_null():
    text = RecordingBody.of(BARE).model_dump_json()
    found = json.loads(text, parse_constant=pytest.fail)
    assert (found["duration_s"], found["vendor_size"]) == (None, None)
    assert (found["created_at"], found["meeting"]["start_date"]) == ("2026-11-23T12:00:00Z",) * 2
    assert found["updated_at"] == "2026-11-23T12:00:00.120000Z"
