"""Holds and retention as the service's schedules, and retention as the command beside it."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.configs import bucket_config, retention_period
from receiver.app.erasure import make_erasure
from receiver.app.opening import index_beside, utc_now
from receiver.app.store import FOLDER, root_of, store_lessons
from receiver.catalogue import Holds, LockIndex, RetentionIndex
from receiver.jobs import Schedule
from receiver.objectstore import LOCK_TRIAL, LockingBucket, open_bucket
from receiver.retention import ObjectLocks, Retention

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.app.store import StoreLessons
    from receiver.objectstore import Bucket
    from receiver.retention import Erasure
    from receiver.settings import Settings
    from receiver.tables import Database

_EVERY = timedelta(days=1)
_FIRST_AFTER = timedelta(minutes=15)
_LONGEST_TRIAL = timedelta(minutes=15)
_LOCKED_EVERY = timedelta(minutes=1)
_MARKED_EVERY = timedelta(hours=1)
_MARKED_FIRST = timedelta(minutes=2)
_log = logs.get("retention")


def make_retention(settings: Settings, database: Database, erasure: Erasure | None = None) -> Retention:
    """Make retention over an index; without an erasure to look at what it would do."""
    return Retention(index=RetentionIndex(database), erasure=erasure, period=retention_period(settings), clock=utc_now)


@asynccontextmanager
async def open_retention(settings: Settings) -> AsyncIterator[Retention]:
    """Open retention for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database, open_bucket(bucket_config(settings)) as bucket:
        lessons = store_lessons(settings, database, bucket)
        yield make_retention(settings, database, make_erasure(settings, database, bucket, lessons))


def lock_schedules(
    settings: Settings, database: Database, bucket: Bucket, lessons: StoreLessons
) -> tuple[Schedule, ...]:
    """Return what sets holds, and retention, on the objects too; nothing unless it is asked for."""
    if settings.s3_object_lock is None:
        return ()
    view, folder = bucket.again_as(LockingBucket), f"{root_of(settings)}{FOLDER}"
    locks = ObjectLocks(
        index=LockIndex(database),
        bucket=view,
        trial_key=lambda: f"{folder}{secrets.token_hex(6)}{LOCK_TRIAL}",
        clock=utc_now,
        period=retention_period(settings) if settings.s3_object_lock == "retention" else None,
    )

    async def follow() -> None:
        await lessons.ready()
        view.abilities = bucket.abilities
        await view.clear_locked(folder, before=utc_now() - _LONGEST_TRIAL)
        await locks.follow()

    return (Schedule(name="object-lock", every=_LOCKED_EVERY, first_after=_LOCKED_EVERY, action=follow),)


def schedules(settings: Settings, database: Database, bucket: Bucket, lessons: StoreLessons) -> tuple[Schedule, ...]:
    """Return the schedules: what holds cover is marked, and what is due is marked and erased.

    With no `RETENTION_DAYS` the latter takes away the marks that were made with it.
    """
    retention = make_retention(settings, database, make_erasure(settings, database, bucket, lessons))
    holds = Holds(database)

    async def expire() -> None:
        await retention.run()

    async def mark() -> None:
        if marked := await holds.mark_left(now=utc_now()):
            _log.warning("holds_marked_late", recordings=marked)

    return (
        Schedule(name="holds", every=_MARKED_EVERY, first_after=_MARKED_FIRST, action=mark),
        Schedule(name="retention", every=_EVERY, first_after=_FIRST_AFTER, action=expire),
    )
