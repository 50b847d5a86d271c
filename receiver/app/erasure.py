"""Erasing, as the service's schedules, its API and page, and the commands beside it do it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver.app import notices
from receiver.app.configs import bucket_config
from receiver.app.opening import index_beside, utc_now
from receiver.app.store import root_of, store_lessons
from receiver.catalogue import Certificates, Erasures, Interventions, KeptBodies, Persons
from receiver.jobs import Schedule
from receiver.objectstore import PersonTombstones, Tombstones, open_bucket
from receiver.operators import EraseActions
from receiver.pipeline import KeyTemplate
from receiver.records import Scope
from receiver.retention import Erasure, PersonErasure, Redaction
from receiver.retention.remains import remaining

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.app.store import StoreLessons
    from receiver.objectstore import Bucket
    from receiver.records import Actor, Certificate, RecordingId, Remaining
    from receiver.settings import Settings
    from receiver.tables import Database

_FINISH_EVERY = timedelta(minutes=1)
_AGAIN_EVERY = timedelta(hours=1)
_FIRST_AFTER = timedelta(seconds=2)


def make_erasure(settings: Settings, database: Database, bucket: Bucket, store: StoreLessons) -> Erasure:
    """Make what erases in this index and this bucket."""
    keys = KeyTemplate(settings.s3_prefix, settings.key_template)

    async def remains() -> tuple[Remaining, ...]:
        return _remaining(settings, database, is_log_cleared=await database.clear_log())

    return Erasure(
        index=Erasures(
            database, stem_of_new=lambda recording: keys.key(recording, ""), outbox=notices.outbox(settings)
        ),
        redaction=Redaction(bodies=KeptBodies(database)),
        bucket=bucket,
        tombstones=Tombstones(bucket, root=root_of(settings)),
        ready=store.ready,
        remains=remains,
        clock=utc_now,
        retains=settings.s3_object_lock == "retention",
    )


def _remaining(settings: Settings, database: Database, *, is_log_cleared: bool) -> tuple[Remaining, ...]:
    names_in_keys = any(name in settings.key_template for name in ("{meeting_name", "{host_id"))
    return remaining(is_sqlite=database.is_sqlite, is_log_cleared=is_log_cleared, names_in_keys=names_in_keys)


def make_person_erasure(settings: Settings, database: Database, bucket: Bucket, store: StoreLessons) -> PersonErasure:
    """Make what erases persons there."""
    return PersonErasure(
        erasure=make_erasure(settings, database, bucket, store),
        persons=Persons(database),
        tombstones=PersonTombstones(bucket, root=root_of(settings)),
        note=Interventions(database).note,
    )


def erase_actions(settings: Settings, database: Database, bucket: Bucket) -> EraseActions:
    """Make what erases for operators."""
    erasure = make_erasure(settings, database, bucket, store_lessons(settings, database, bucket))

    async def take_out(recording_id: RecordingId, by: Actor, reason: str) -> Certificate:
        return await erasure.erase([recording_id], by=by, reason=reason, scope=Scope.RECORDING, value=recording_id)

    return EraseActions(
        take_out=take_out,
        certificates=Certificates(database),
        remains=_remaining(settings, database, is_log_cleared=False),
    )


@asynccontextmanager
async def open_erasure(settings: Settings) -> AsyncIterator[PersonErasure]:
    """Open it for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database, open_bucket(bucket_config(settings)) as bucket:
        yield make_person_erasure(settings, database, bucket, store_lessons(settings, database, bucket))


def schedules(persons: PersonErasure) -> tuple[Schedule, ...]:
    """Return what ends interrupted erasures, and what erases again what the bucket says is erased."""

    async def again() -> None:
        await persons.erasure.again()
        await persons.again()

    return (
        Schedule(name="erased", every=_AGAIN_EVERY, first_after=_FIRST_AFTER, action=again),
        Schedule(name="erasures", every=_FINISH_EVERY, first_after=_FIRST_AFTER, action=persons.erasure.finish),
    )
