"""Erasures composed as the service does, over a test's bucket and database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from receiver.catalogue import Certificates, Erasures, KeptBodies
from receiver.objectstore import Tombstones
from receiver.operators import EraseActions
from receiver.pipeline import KeyTemplate
from receiver.records import Actor, Scope, StoreAbilities
from receiver.retention import Erasure, Redaction
from receiver.retention.remains import remaining
from tests.support.clock import NOW
from tests.support.s3 import KnownStore

if TYPE_CHECKING:
    from receiver.records import Certificate, RecordingId, Remaining
    from receiver.tables import Database

KEYS = KeyTemplate("", "recordings/{created_at:%Y/%m/%d}/{meeting_id}/{recording_id}")
BY = Actor("cli:alice")
REASON = "request 7 of 2026-11-20"


class EmptyBucket:
    """A bucket in which nothing lies, and that keeps nothing."""

    abilities = StoreAbilities()

    async def put(self, *_: Any, **__: Any) -> None: ...

    async def head(self, *_: Any, **__: Any) -> None:
        return None

    async def files_under(self, _prefix: str) -> list[Any]:
        return []

    async def open_uploads(self, _prefix: str) -> list[Any]:
        return []


def erase_actions(database: Database) -> EraseActions:
    """Return what erases recordings whose files are gone, for operators."""

    async def take_out(recording_id: RecordingId, by: Actor, reason: str) -> Certificate:
        erasure = erasure_of(EmptyBucket(), database)
        return await erasure.erase([recording_id], by=by, reason=reason, scope=Scope.RECORDING, value=recording_id)

    remains = remaining(is_sqlite=database.is_sqlite, is_log_cleared=True, names_in_keys=False)
    return EraseActions(take_out=take_out, certificates=Certificates(database), remains=remains)


def erasure_of(bucket: Any, database: Database, *, later: timedelta = timedelta(), store: Any = None) -> Erasure:
    """Make it; its clock stands still, `later` than the others'."""

    async def remains() -> tuple[Remaining, ...]:
        is_cleared = await database.clear_log()
        return remaining(is_sqlite=database.is_sqlite, is_log_cleared=is_cleared, names_in_keys=False)

    return Erasure(
        index=Erasures(database, stem_of_new=lambda recording: KEYS.key(recording, "")),
        redaction=Redaction(bodies=KeptBodies(database)),
        bucket=bucket,
        tombstones=Tombstones(bucket, root="recordings/"),
        ready=(store or KnownStore()).ready,
        remains=remains,
        clock=lambda: NOW + later,
    )
