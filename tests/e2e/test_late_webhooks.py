"""Webhooks that come before the platform lists their files, in pieces, and in the wrong order."""

from __future__ import annotations

import json

from tests.support.databases import ON_SQLITE
from tests.support.events import events
from tests.support.service import control, make_meeting, set_fault

FILE = {"kind": "generated", "size_bytes": 2000}
LATE_S = 4


def posted(made, *, records=slice(None), **changes) -> bytes:
    """Return the meeting's webhook with these of its records, each changed so."""
    body = dict(made["payload"])
    body["callRecords"] = [record | changes for record in body["callRecords"][records]]
    return json.dumps(body).encode()


async def test_a_recording_that_is_listed_late_uses_no_attempts_up(sandbox, service):
    """The listing is empty as often as attempts would allow, or more."""
    service.settings |= {"MAX_ATTEMPTS": "1"}
    await service.start()
    await set_fault(sandbox, on="api", kind="listing_late", delay_s=LATE_S)
    made = await make_meeting(sandbox, FILE)
    await service.post(posted(made))
    (item,) = await service.until_archived(1)
    assert item["attempts"] == 1
    assert item["archive"]["sha256"] == made["recordings"][0]["sha256"]
    waits = events([service.log_path], "recording_rescheduled")
    assert {wait["code"] for wait in waits} == {"recording_not_listed"}
    assert len(waits) >= 1


async def test_a_second_webhook_with_more_records_adds_those_alone(sandbox, service):
    await service.start()
    made = await make_meeting(sandbox, FILE, FILE, FILE)
    sources = {one["_id"]: one["sha256"] for one in made["recordings"]}
    await service.post(posted(made, records=slice(0, 1)))
    (first,) = await service.until_archived(1)
    answer = await service.post(posted(made))
    assert {one["id"] for one in answer.json()["recordings"]} == sources.keys()
    items = await service.until_archived(3)
    assert {item["id"]: item["archive"]["sha256"] for item in items} == sources
    assert next(item for item in items if item["id"] == first["id"]) == first
    copied = [(await control(sandbox, "GET", f"/recordings/{one}"))["gets"] for one in sources]
    assert copied == [copied[0]] * 3, "the first was not fetched again"


@ON_SQLITE  # the statements have their own tests on both
async def test_an_older_webhook_after_a_newer_one_changes_nothing(sandbox, service):
    service.command = ("serve", "--no-work")
    await service.start()
    made = await make_meeting(sandbox, FILE)
    for minute in (1, 5, 3):
        updated_at = f"2026-11-22T10:0{minute}:00Z"
        answer = await service.post(posted(made, updated_at=updated_at, duration=float(minute)))
        assert answer.status_code == 202
    (item,) = await service.recordings()
    assert (item["updated_at"], item["duration_s"]) == ("2026-11-22T10:05:00Z", 5.0)
