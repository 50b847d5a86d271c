"""Which archived objects' locks differ from what is held, and which were set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append
from receiver.catalogue.rows import load_recordings
from receiver.records import Action, Recording, State
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records import Actor

_C = recordings.c
_HELD: sa.ColumnElement[bool] = sa.literal_column("recordings.hold")
_LOCKED: sa.ColumnElement[bool] = sa.literal_column("recordings.object_locked")


class LockIndex:
    """The index says what is held, and of which objects the bucket was told so. What is noted is on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differing(self, *, held: bool, after: str, most: int) -> list[Recording]:
        """Return archived recordings by id, those after `after`: `held` without a lock, or locked and not held."""
        wanted = sa.and_(_HELD, sa.not_(_LOCKED)) if held else sa.and_(_LOCKED, sa.not_(_HELD))
        query = sa.select(recordings).where(wanted, _C.state == State.ARCHIVED, _C.object_version_id.is_not(None))
        query = query.where(_C.id > after).order_by(_C.id).limit(most)
        return await self._database.read(lambda tx: load_recordings(tx, tx.execute(query).all()))

    async def note(self, recording: Recording, *, locked: bool, by: Actor, now: datetime) -> None:
        """Note that the object's version has the lock, or has it no more, unless the row names another by now."""
        await self._database.write(partial(_note, recording=recording, locked=locked, by=by, now=now))


def _note(tx: sa.Connection, *, recording: Recording, locked: bool, by: Actor, now: datetime) -> None:
    stored = recording.archive
    assert stored is not None  # noqa: S101  (`differing` returns what is archived)
    here = (_C.id == recording.id, _C.object_key == stored.key, _C.object_version_id == stored.version_id)
    if tx.execute(sa.update(recordings).where(*here).values(object_locked=locked)).rowcount:
        action = Action.OBJECT_LOCKED if locked else Action.OBJECT_UNLOCKED
        append(tx, AuditEntry.of(by, action, recording.id, at=now, key=stored.key, version_id=stored.version_id))
