"""An index in a SQLite file, and the commands that look at it."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta

import pytest
from click.testing import CliRunner

from receiver.catalogue import Runs
from receiver.cli import root
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.records import Failure, RecordingId, State, StoredFile
from receiver.tables import open_database
from tests.support.clock import NOW
from tests.support.intake import accept
from tests.support.payloads import payload

LATER = NOW + timedelta(minutes=1)
STORED = StoredFile(
    bucket="b",
    key="recordings/2026/11/22/meeting-1/first.mp4",
    version_id=None,
    size_bytes=8_000_000,
    sha256="ab" * 32,
    checksum="crc64nvme:AAAAAAAAAAA=",
    content_type="video/mp4",
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command against the file `index.db` of an empty folder, with no other settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECEIVER_DATABASE_URL", f"sqlite:///{tmp_path}/index.db")

    def invoke(*arguments):
        done = CliRunner().invoke(root, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done

    return invoke


@pytest.fixture(scope="session")
def index_file(sqlite_file, tmp_path_factory):
    """Fill one index for the session, of which a test gets a copy."""
    path = tmp_path_factory.mktemp("index") / "index.db"
    shutil.copy(sqlite_file, path)
    asyncio.run(_fill(f"sqlite:///{path}"))
    return path


@pytest.fixture
def index(run, index_file, tmp_path):
    """Have `first` archived, `second` failed, `third` of another meeting pending; one delivery refused."""
    shutil.copy(index_file, tmp_path / "index.db")


async def _fill(url):
    database = open_database(url)
    try:
        inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=True)
        await accept(inbox, payload("first", created_at="2026-11-20T10:00:00Z"), now=NOW)
        await accept(inbox, payload("second", created_at="2026-11-21T10:00:00Z"), now=NOW + timedelta(seconds=1))
        await accept(inbox, payload("third", meeting_id="meeting-2"), now=NOW + timedelta(seconds=2))
        await inbox.keep_rejected(b'{"callRecords": 1}', (), now=NOW + timedelta(seconds=3))
        runs = Runs(database)
        first = await runs.claim(RecordingId("first"), now=LATER)
        second = await runs.claim(RecordingId("second"), now=LATER)
        assert first is not None
        assert second is not None
        await runs.finish(first, STORED, now=NOW)
        failed = Decision(state=State.FAILED, attempts=1, next_attempt_at=None)
        await runs.settle(second, failed, Failure(code="source_too_large", message="larger than allowed", at=NOW))
    finally:
        await database.close()
