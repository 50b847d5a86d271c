"""A reconciler over a test's own database and platform, without a process, and what came before its walk."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.app import utc_now
from receiver.app.reconcile import reconciler
from receiver.catalogue import Catalogue, Filters, Runs
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs, open_jobs
from receiver.meetings import AdminKey, ApiConfig, Credentials, UserLogin, open_api
from receiver.records import RecordingId, State
from receiver.sandbox import Sandbox, SandboxConfig
from receiver.tables import recordings
from tests.support.intake import STORED, accept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.reconcile import Reconciler
    from receiver.records import Tally
    from receiver.tables import Database

CONFIG = SandboxConfig()
KEY = AdminKey(key=CONFIG.admin_key)
USER = UserLogin(app_id=CONFIG.app_id, auth_key=CONFIG.auth_key, login=CONFIG.user_login, password=CONFIG.user_password)
AS_USER = {
    "API_ADMIN_KEY": "",
    "API_APP_ID": str(CONFIG.app_id),
    "API_AUTH_KEY": CONFIG.auth_key,
    "API_USER_LOGIN": CONFIG.user_login,
    "API_USER_PASSWORD": CONFIG.user_password,
}
"""A service's settings for the user that the platform's meetings belong to."""


def ago(**age: float) -> str:
    """Write a time in the past as the platform's control takes it."""
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


def old_file(**more: Any) -> dict[str, Any]:
    """Describe a small, playable recording whose webhook cannot be under way any more."""
    return {"kind": "mp4", "created_at": ago(hours=1), **more}


def ignore(_: Tally) -> None:
    """Hear a tally."""


@asynccontextmanager
async def reconciling(
    database: Database, platform: Sandbox | str, credentials: Credentials = USER, *, grace_s: float = 30
) -> AsyncIterator[Reconciler]:
    """Open a reconciler."""
    url = platform if isinstance(platform, str) else platform.url
    async with open_api(ApiConfig(url=url, credentials=lambda: credentials)) as api:
        made = reconciler(database, open_jobs(database, concurrency=1), api)
        yield replace(made, grace=timedelta(seconds=grace_s))


async def reconciled(over: Reconciler, *, days: float = 30, name: str = "30d") -> Tally:
    """Walk over the last days and return what was counted."""
    report = await over.reconcile(name, since=datetime.now(UTC) - timedelta(days=days), wait=False, on_progress=ignore)
    assert report is not None
    return report.tally


async def take_in(database: Database, made: dict[str, Any]) -> None:
    """Let the webhook of a meeting arrive an hour ago."""
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    await accept(inbox, json.dumps(made["payload"]).encode(), now=utc_now() - timedelta(hours=1))


async def archive(database: Database, recording_id: str) -> None:
    claim = await Runs(database).claim(RecordingId(recording_id), now=utc_now())
    assert claim is not None
    await Runs(database).finish(claim, STORED, now=utc_now())


async def put(database: Database, recording_id: str, state: State) -> None:
    """Put a recording into a state, as one that was tried before and has no next time."""

    def change(tx: sa.Connection) -> None:
        row = sa.update(recordings).where(recordings.c.id == recording_id)
        tx.execute(row.values(state=state, attempts=3, next_attempt_at=None))

    await database.write(change)


async def states(database: Database) -> dict[str, State]:
    page = await Catalogue(database).page(Filters(), limit=1000)
    return {item.id: item.state for item in page.items}


def ids(*made: dict[str, Any]) -> set[str]:
    """Return the ids of all recordings of some meetings."""
    return {one["_id"] for meeting in made for one in meeting["recordings"]}
