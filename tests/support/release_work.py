"""What a release does to its database, as a process of its own: `python release_work.py DATABASE_URL`.

`tests/integration/test_rolling_upgrade.py` runs it on the code of an older release, with that release's own copy of
this file where it has one; so it imports `receiver` and nothing else of the repository. It works on the schema of its
release, says `ready`, and once a line comes it goes on, over the same connections and over new ones. Its last line
is the state of every recording, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import receiver
from receiver import records
from receiver.catalogue import Catalogue, Filters, Runs
from receiver.inbox import Inbox
from receiver.lifecycle import Decision
from receiver.records import Claim, Failure, OpenUpload, RecordingId, State, StoredFile, UrlOrigin
from receiver.tables import Database, check_head, open_database, schema, upgrade

try:
    from receiver.meetings.payload import parse
except ModuleNotFoundError:  # where releases before this one have it
    from receiver.payload import parse

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENDS = ("archived", "waiting", "failed", "missing", "pending", "cancelled", "retried", "archiving")
"""How the recordings of one round end, each named `<round>-<end>`."""


class Nothing:
    """Older releases await what `enqueue` returns."""

    def __await__(self):
        return iter(())


class NoJobs:
    """The row is the job: nothing here works on it."""

    def enqueue(self, *_: object) -> Nothing:
        return Nothing()

    def wake(self) -> None:
        return None


def body(number: str) -> bytes:
    """Return a delivery of one round's recordings."""
    items = [
        {
            "_id": f"{number}-{end}",
            "room_id": "m",
            "participants_ids": [7, 8],
            "participants_count": 2,
            "created_at": "2026-11-22T10:00:00Z",
            "updated_at": "2026-11-22T10:00:00Z",
            "download_url": f"https://x.s3.amazonaws.com/{number}-{end}?Expires=9999999999&Signature=s1gn",
        }
        for end in ENDS
    ]
    meeting = {"_id": "m", "name": f"Weekly {number}", "host_id": 7}
    host = {"id": 7, "full_name": "Sam Fisher", "login": "sam", "email": "sam@example.com"}
    return json.dumps({"meeting": meeting, "hostUser": host, "callRecords": items}).encode()


async def claimed(runs: Runs, recording_id: str) -> Claim:
    """Take a recording and note an open upload, as a run does before bytes go."""
    claim = await runs.claim(RecordingId(recording_id), now=NOW)
    assert claim is not None, recording_id
    opened = OpenUpload(key=f"{recording_id}.mp4", upload_id="u")
    if hasattr(records, "UnfinishedUpload"):
        opened = records.UnfinishedUpload(upload=opened, part_size_bytes=5, source_etag=None, source_size_bytes=9)
    await runs.note_upload(claim, f"{recording_id}.mp4", opened, UrlOrigin.PAYLOAD)
    return claim


async def finish(runs: Runs, claim: Claim) -> None:
    """Record a run that archived its recording."""
    stored = StoredFile(
        bucket="b",
        key=f"{claim.recording.id}.mp4",
        version_id=None,
        size_bytes=9,
        sha256="0" * 64,
        checksum="crc64nvme:x",
        content_type="video/mp4",
    )
    await runs.finish(claim, stored, now=NOW)


async def settle(runs: Runs, claim: Claim, state: State) -> None:
    """Record a run that failed."""
    decision = Decision(state=state, attempts=1, next_attempt_at=NOW if state is State.WAITING else None)
    await runs.settle(claim, decision, Failure(code="x", message="y", at=NOW))


async def work(database: Database, number: str) -> Claim:
    """Take a delivery in, bring its recordings to each end, list them; return the run that still goes on."""
    runs, catalogue, delivery = Runs(database), Catalogue(database), body(number)
    for again in (False, True):
        inbox = Inbox(database, NoJobs(), keep_urls=True)
        assert (await inbox.accept(delivery, parse(delivery), now=NOW)).duplicate is again
    await catalogue.cancel(RecordingId(f"{number}-cancelled"), now=NOW)
    await finish(runs, await claimed(runs, f"{number}-archived"))
    await runs.hand_back(await claimed(runs, f"{number}-pending"), now=NOW)
    for end in (State.WAITING, State.FAILED, State.MISSING):
        await settle(runs, await claimed(runs, f"{number}-{end}"), end)
    await settle(runs, await claimed(runs, f"{number}-retried"), State.FAILED)
    await catalogue.retry(RecordingId(f"{number}-retried"), now=NOW)
    page = await catalogue.page(Filters(words=(f"weekly {number}",)), limit=3)
    assert [len(page.items), page.next_cursor is None] == [3, False]
    await catalogue.page(Filters(), sort="archived_at", limit=3)
    (await catalogue.deliveries()).items[0]
    return await claimed(runs, f"{number}-archiving")


async def main(url: str) -> None:
    """Work before, during and after the upgrade that the caller does between `ready` and the line it sends."""
    database = open_database(url)
    await upgrade(database)
    running = await work(database, "before")
    print(json.dumps({"ready": str(Path(receiver.__file__).parents[1])}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await finish(Runs(database), running)
    await work(database, "during")
    await database.close()

    restarted = open_database(url)
    if hasattr(schema, "schema_compatibility"):  # releases before it refuse every schema but their own
        await upgrade(restarted)
        await check_head(restarted)
    await work(restarted, "after")
    page = await Catalogue(restarted).page(Filters(), limit=1000)
    print(json.dumps({item.id: item.state.value for item in page.items}), flush=True)
    await restarted.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
