"""Cleaning up at the source, as the service's schedule and as the command beside it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.configs import api_config, bucket_config
from receiver.app.opening import api_of, index_beside, utc_now
from receiver.app.store import store_lessons
from receiver.catalogue import CleanupIndex
from receiver.cleanup import Cleanup
from receiver.errors import SettingsError
from receiver.jobs import Schedule
from receiver.objectstore import Bucket, open_bucket
from receiver.operators import actor_of
from receiver.transfer import read_back

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.app.store import StoreLessons
    from receiver.meetings import MeetingsApi
    from receiver.operators import OsUser
    from receiver.records import ObjectHead, StoredFile
    from receiver.settings import Settings
    from receiver.tables import Database

_EVERY = timedelta(days=1)
_FIRST_AFTER = timedelta(hours=1)
_log = logs.get("cleanup")


def make_cleanup(
    database: Database, api: MeetingsApi, bucket: Bucket, store: StoreLessons, *, by: OsUser | None = None
) -> Cleanup:
    """Make the clean-up over an index, an API and the bucket, on record as the schedule's or somebody's."""

    async def head(stored: StoredFile) -> ObjectHead | None:
        """Return what lies there. Where the store has no checksum of its own to tell, the bytes are read again now."""
        if stored.bucket != bucket.name:
            return None
        await store.ready()
        found = await bucket.head(stored.key, version_id=stored.version_id)
        if found is None or found.checksum is not None or found.size_bytes != stored.size_bytes:
            return found
        digest = await read_back(bucket, found, _unnoted)
        return replace(found, checksum=stored.checksum if digest.sha256 == stored.sha256 else None)

    index = CleanupIndex(database) if by is None else CleanupIndex(database, by=actor_of(by))
    return Cleanup(api=api, index=index, head=head, clock=utc_now)


@asynccontextmanager
async def open_cleanup(settings: Settings, by: OsUser) -> AsyncIterator[Cleanup]:
    """Open the clean-up for a command; raises `SettingsError` where no administration key is set."""
    config = api_config(lambda: settings)
    if config is None or settings.api_admin_key is None:
        raise SettingsError(
            "only an administration key may delete recordings at the platform", "set RECEIVER_API_ADMIN_KEY"
        )
    async with (
        index_beside(settings) as database,
        api_of(config, database) as api,
        open_bucket(bucket_config(settings)) as bucket,
    ):
        yield make_cleanup(database, api, bucket, store_lessons(settings, database, bucket), by=by)


async def _unnoted(_read_bytes: int) -> None:
    """Tell nobody how far a reading is."""


def schedules(settings: Settings, cleanup: Cleanup | None) -> tuple[Schedule, ...]:
    """Return the daily schedule, none unless `SOURCE_CLEANUP_AFTER_DAYS` is set."""
    days = settings.source_cleanup_after_days
    if cleanup is None or days is None:
        return ()

    async def clean() -> None:
        report = await cleanup.run(older_than=timedelta(days=days), dry_run=False)
        _log.info("cleanup_ended", meetings=report.meetings, deleted=report.deleted, kept=dict(report.kept))
        if report.error is not None:
            raise report.error

    return (Schedule(name="clean-up", every=_EVERY, first_after=_FIRST_AFTER, action=clean),)
