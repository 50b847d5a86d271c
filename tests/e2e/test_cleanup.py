"""Cleaning up at the platform: what is not archived and proven stays there, whatever the reason."""

from __future__ import annotations

import json
import os
import pwd
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from receiver.app.cleanup import make_cleanup, schedules
from receiver.catalogue import audit_log
from receiver.errors import ApiUnavailableError
from receiver.meetings import ApiConfig, open_api
from receiver.settings import Settings
from receiver.tables import audit_log as entries
from receiver.tables import open_database, recordings
from tests.support.databases import ON_SQLITE
from tests.support.reconciling import AS_USER, KEY, ago, old_file
from tests.support.s3 import KnownStore
from tests.support.service import control, make_meeting, set_fault

AFTER = ("--after-days", "2")


@pytest.fixture
def run(service):
    """Run a command with the service's settings; return its exit code, its JSON and its stderr."""

    async def finish(*arguments):
        exit_code, stdout, stderr = await service.ran(*arguments, "--json")
        return exit_code, json.loads(stdout or b"null"), stderr

    return finish


@asynccontextmanager
async def index(service):
    database = open_database(service.database_url)
    try:
        yield database
    finally:
        await database.close()


async def change(service, recording_id, **values):
    async with index(service) as database:
        await database.write(
            lambda tx: tx.execute(sa.update(recordings).where(recordings.c.id == recording_id).values(**values))
        )


async def archive(sandbox, service, *, meetings, each=2):
    """Archive meetings of old recordings by their webhooks, as if three days ago; return their ids with theirs."""
    await service.start()
    made = {}
    for _ in range(meetings):
        answer = await make_meeting(sandbox, *(old_file() for _ in range(each)), created_at=ago(days=3))
        await service.post(json.dumps(answer["payload"]).encode())
        made[answer["meeting"]["_id"]] = [one["_id"] for one in answer["recordings"]]
    await service.until_archived(meetings * each)
    async with index(service) as database:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        seen = {"archived_at": long_ago, "first_seen_at": long_ago}
        await database.write(lambda tx: tx.execute(sa.update(recordings).values(**seen)))
    return made


BY = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


async def deletions(sandbox):
    """Return the ids of the meetings that the platform was asked to delete."""
    asked = await control(sandbox, "GET", "/requests")
    return [one["path"].rpartition("/")[2] for one in asked if one["method"] == "DELETE"]


async def audited(service):
    """Return what the log says of deletions at the source; its chain must hold."""
    async with index(service) as database:
        await audit_log.seal(database, wait=True)
        assert await audit_log.verify(database) is None
        of_source = sa.select(entries).where(entries.c.action.like("source%")).order_by(entries.c.id)
        rows = await database.read(lambda tx: tx.execute(of_source).all())
    return [(row.actor, row.action, row.subject, row.details) for row in rows]


async def test_only_the_meeting_that_is_archived_and_proven_is_deleted(sandbox, service, bucket, run):
    """The others each break one rule; two rules are about time, so their meetings are as archived as the right one."""
    made = await archive(sandbox, service, meetings=11)
    right, *others = made
    held, failed, young, unlisted_row, newer, missing, damaged, unreadable, gone, cut = others
    await change(service, made[held][0], hold=True)
    await change(service, made[cut][0], incomplete="its end is missing")
    await change(service, made[failed][0], state="failed")
    await change(service, made[young][0], archived_at=datetime.now(UTC) - timedelta(days=1))
    async with index(service) as database:
        await database.write(
            lambda tx: tx.execute(sa.delete(recordings).where(recordings.c.id == made[unlisted_row][0]))
        )
    await change(service, made[newer][0], updated_at=datetime.now(UTC) - timedelta(days=9))
    objects = {item["id"]: item["archive"] for item in await service.recordings() if item["archive"]}
    await bucket.delete(objects[made[missing][1]]["key"])
    await bucket.replace(objects[made[damaged][1]]["key"], b"another", content_type="video/mp4")
    await set_fault(sandbox, on="api", kind="listing_other_meeting", match=unreadable)
    for one in made[gone]:
        await control(sandbox, "DELETE", f"/recordings/{one}")
    await control(sandbox, "DELETE", "/requests")

    code, report, stderr = await run("clean-up", *AFTER, "--dry-run")
    kept = {"not_archived": 1, "changed": 1, "object_missing": 1, "object_differs": 1, "unreadable": 1}
    kept |= {"incomplete": 1}
    assert (code, report) == (1, {"meetings": 8, "deleted": 1, "kept": kept, "dry_run": True})
    assert await deletions(sandbox) == []
    assert await audited(service) == []
    assert stderr.count("source_kept") == 6

    code, report, _ = await run("clean-up", *AFTER)
    assert (code, report) == (1, {"meetings": 8, "deleted": 1, "kept": kept, "dry_run": False})
    assert await deletions(sandbox) == [right]
    chosen = {"recordings": [{"id": one, "sha256": objects[one]["sha256"]} for one in made[right]]}
    log = await audited(service)
    assert [entry for entry in log if entry[2] == right] == [
        (BY, "source_deletion_began", right, chosen),
        (BY, "source_deleted", right, chosen),
    ]
    assert [entry for entry in log if entry[2] != right] == [(BY, "source_gone", gone, {})]

    code, report, _ = await run("clean-up", *AFTER)
    assert (report["meetings"], report["deleted"]) == (6, 0)
    assert await deletions(sandbox) == [right]


async def test_what_was_cleaned_is_gone_for_reconciliation_and_not_lost(sandbox, service, run):
    made = await archive(sandbox, service, meetings=1)
    assert (await run("clean-up", *AFTER))[:2] == (0, {"meetings": 1, "deleted": 1, "kept": {}, "dry_run": False})
    assert await deletions(sandbox) == list(made)
    before = await service.recordings()
    code, report, _ = await run("reconcile", "--since", "30d")
    assert (code, report["gone"], report["lost"], report["found"], report["reopened"]) == (0, 2, 0, 0, 0)
    assert await service.recordings() == before


async def test_a_meeting_with_a_newer_recording_is_cleaned_again(sandbox, service, run):
    await archive(sandbox, service, meetings=1)
    await run("clean-up", *AFTER)
    assert (await run("clean-up", *AFTER))[1]["meetings"] == 0
    async with index(service) as database:  # as if the clean-up had been before the newest recording
        await audit_log.seal(database, wait=True)
        earlier = datetime.now(UTC) - timedelta(days=5)
        await database.write(lambda tx: tx.execute(sa.update(entries).values(at=earlier)))
    assert (await run("clean-up", *AFTER))[1]["meetings"] == 1


async def test_a_lost_answer_is_found_out_by_the_next_run(sandbox, service, run):
    ((meeting_id, recording_ids),) = (await archive(sandbox, service, meetings=1)).items()
    await set_fault(sandbox, on="api", kind="slow", delay_s=0, match=meeting_id, times=1)  # the listing
    await set_fault(sandbox, on="api", kind="status", status=503, match=meeting_id, times=1)
    code, report, stderr = await run("clean-up", *AFTER)
    assert (code, report["meetings"], report["deleted"], report["kept"]) == (1, 1, 0, {})
    assert "Error: the Meetings API is not available" in stderr
    for one in recording_ids:  # the platform had done it
        await control(sandbox, "DELETE", f"/recordings/{one}")
    assert (await run("clean-up", *AFTER))[0] == 0
    actions = [action for _, action, _, _ in await audited(service)]
    assert actions == ["source_deletion_began", "source_deletion_failed", "source_gone"]
    assert await deletions(sandbox) == [meeting_id]


@asynccontextmanager
async def cleaning(service, bucket, url):
    """Open the clean-up in this process."""
    async with index(service) as database, open_api(ApiConfig(url=url, credentials=lambda: KEY)) as api:
        yield make_cleanup(database, api, bucket, KnownStore())


@ON_SQLITE  # for the time it takes; what is compared is one transaction on both
async def test_a_hold_that_is_set_meanwhile_keeps_the_meeting(sandbox, service, bucket):
    ((_, (recording_id, _)),) = (await archive(sandbox, service, meetings=1)).items()
    async with cleaning(service, bucket, sandbox.url) as made:

        async def head(stored):
            await change(service, recording_id, hold=True)
            return await made.head(stored)

        report = await replace(made, head=head).run(older_than=timedelta(days=2), dry_run=False)
    assert (report.meetings, report.deleted, dict(report.kept)) == (1, 0, {"intervened": 1})
    assert await deletions(sandbox) == []
    assert await audited(service) == []


@ON_SQLITE  # schedules are tested on both
async def test_the_schedule_deletes_what_is_old_enough(sandbox, service, bucket, monkeypatch):
    monkeypatch.setattr("receiver.catalogue.cleanup._PAGE_MEETINGS", 2)
    made = await archive(sandbox, service, meetings=5, each=1)
    async with cleaning(service, bucket, "http://127.0.0.1:9") as away:
        (schedule,) = schedules(Settings(source_cleanup_after_days=2), away)
        with pytest.raises(ApiUnavailableError):
            await schedule.action()
    async with cleaning(service, bucket, sandbox.url) as there:
        for days in (4, 2):
            assert await deletions(sandbox) == []
            (schedule,) = schedules(Settings(source_cleanup_after_days=days), there)
            await schedule.action()
    assert await deletions(sandbox) == sorted(made)


@ON_SQLITE  # about the command line and its settings
async def test_it_is_off_without_an_age_and_refused_without_an_administration_key(sandbox, service, run):
    await archive(sandbox, service, meetings=1)
    code, _, stderr = await run("clean-up")
    assert (code, "RECEIVER_SOURCE_CLEANUP_AFTER_DAYS" in stderr) == (2, True)
    service.settings |= AS_USER
    code, _, stderr = await run("clean-up", *AFTER)
    assert (code, "only an administration key may delete" in stderr) == (2, True)
    service.settings["SOURCE_CLEANUP_AFTER_DAYS"] = "2"
    code, _, stderr = await run("clean-up", "--dry-run")
    assert (code, "RECEIVER_SOURCE_CLEANUP_AFTER_DAYS needs RECEIVER_API_ADMIN_KEY" in stderr) == (2, True)
    assert await deletions(sandbox) == []
