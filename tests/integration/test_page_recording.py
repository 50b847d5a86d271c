"""The page of one recording: its facts, its transfer, and its player.

On SQLite: what the page asks of the index is asked on both databases by the tests of the API.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from receiver.errors import StoreUnavailableError
from receiver.records import State
from receiver.tables import upload_parts
from tests.support.databases import ON_SQLITE
from tests.support.operators import ARCHIVED, DESCRIBED, NOW, SIGNED, Outside, add, row
from tests.support.page import get, seen

if TYPE_CHECKING:
    from receiver.tables import Database

pytestmark = ON_SQLITE


async def test_a_running_transfer_shows_bytes_rate_and_time_left(database: Database, viewer: httpx.AsyncClient):
    await add(
        database,
        row("r1", state=State.ARCHIVING, fence=3, source_size_bytes=1_200_000_000),
        row("r2", state=State.ARCHIVING, fence=1, source_size_bytes=800),
    )
    part = {"recording_id": "r1", "number": 1, "etag": "e", "size_bytes": 504_000_000, "checksum": "c"}
    await database.write(lambda tx: tx.execute(sa.insert(upload_parts).values(part | {"fence": 3, "elapsed_s": 28.0})))
    for path in ("/recordings", "/recordings/r1"):
        text = await get(viewer, path)
        assert "504.0 MB of 1.2 GB, 42 % 18.0 MB/s, 0:39 left" in seen(text)
        assert '<progress value="504000000" max="1200000000"' in text
        assert 'data-refresh-s="2"' in text
    begun = await get(viewer, "/recordings/r2")
    assert "0 B of 800 B, 0 %" in seen(begun)
    assert "left" not in seen(begun)


async def test_a_page_where_nothing_runs_looks_again_rarely(database: Database, viewer: httpx.AsyncClient):
    await add(database, row("r1", **ARCHIVED), row("r2", state=State.WAITING, next_attempt_at=NOW))
    for path in ("/recordings", "/recordings/r1", "/recordings/r2"):
        assert 'data-refresh-s="15"' in await get(viewer, path)


async def test_a_recording_in_full(database: Database, viewer: httpx.AsyncClient):
    whole = row(
        "r1",
        updated_at=NOW + timedelta(minutes=1),
        **DESCRIBED,
        error_code="source_denied",
        error_message="403 from the source",
        error_at=NOW,
        **ARCHIVED,
    )
    await add(database, whole, invited=[("r1", 0, 7, "anna@example.com"), ("r1", 1, 8, None)])
    shown = seen(await get(viewer, "/recordings/r1"))
    for expected in (
        "Weekly archived on hold",
        "Last error: source_denied 2026-11-23 12:00:00Z 403 from the source",
        "Id m1 Started 2026-11-23 11:00:00Z Ended 2026-11-23 12:00:00Z Invited anna@example.com 8 Host Name Zoë",
        "Name Zoë Login zoe E-mail zoe@example.com Id 9007199254740993",
        "Recording Id r1 File uid f-1 Duration 1:02 Vendor's size 12.25 Participants 2",
        "Created 2026-11-23 12:00:00Z Updated 2026-11-23 12:01:00Z",
        "First seen 2026-11-23 12:00:00Z via webhook Attempts 2 Next attempt - URL named by api On hold yes",
        "Archived 2026-11-23 12:00:00Z Read again not yet Size 5.0 GB (5,000,000,000 bytes) Type video/mp4 Bucket team",
        "Key recordings/2026/11/23/m/r.mp4 Version v1 SHA-256 " + "ab" * 32 + " Checksum crc64nvme:AAAAAAAAAAA=",
    ):
        assert expected in shown


@pytest.mark.parametrize("media", ["video/mp4", "audio/ogg", "application/octet-stream"])
async def test_a_recording_is_played_by_a_url_made_when_asked(
    database: Database, viewer: httpx.AsyncClient, outside: Outside, media: str
):
    await add(database, row("r1", **(ARCHIVED | {"content_type": media})))
    text = await get(viewer, "/recordings/r1")
    players = re.findall(r'<(video|audio) controls preload="none" src="/recordings/r1/download\?play">', text)
    assert players == ([media.partition("/")[0]] if "application" not in media else [])
    assert ("cannot be played here" in text) == ("application" in media)
    assert SIGNED not in html.unescape(text)
    with capture_logs() as events:
        answer = await viewer.get("/recordings/r1/download")
    assert (answer.status_code, answer.headers["location"]) == (307, SIGNED)
    assert [(e["event"], e["token_name"]) for e in events] == [("download_url_issued", "ci")]


async def test_the_other_recordings_of_the_meeting_stand_below_the_newest_first(
    database: Database, viewer: httpx.AsyncClient
):
    others = [row(f"s{n:02}", created_at=NOW + timedelta(minutes=n), duration_s=61.5) for n in range(12)]
    await add(database, row("r1", created_at=NOW + timedelta(hours=1)), row("other", meeting_id="m2"), *others)
    text = await get(viewer, "/recordings/r1")
    assert re.findall(r'<li><a href="/recordings/([^"]*)">', text) == [f"s{n:02}" for n in range(11, 1, -1)]
    assert "s11 pending 1:02 - 2026-11-23 12:11:00Z" in seen(text)
    assert "Other recordings" not in await get(viewer, "/recordings/other")


async def test_a_recording_is_shown_while_its_bucket_refuses(
    database: Database, viewer: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", **ARCHIVED), row("r2"))
    outside.presign_error = StoreUnavailableError("presign: no credentials found")
    text = await get(viewer, "/recordings/r1")
    assert "<video" not in text
    assert "ab" * 32 in text
    assert "presign: no credentials found" in seen(await get(viewer, "/recordings/r1/download", 502))
    not_archived = seen(await get(viewer, "/recordings/r2/download", 409))
    assert "recording r2 is pending; only an archived one can be downloaded" in not_archived
