"""Which archived objects' locks differ from what is held or not yet due, and which were set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append
from receiver.catalogue.rows import load_recordings
from receiver.records import Action, Recording, State
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records import Actor, StoredFile

_C = recordings.c
_HELD: sa.ColumnElement[bool] = sa.literal_column("recordings.hold")
_LOCKED: sa.ColumnElement[bool] = sa.literal_column("recordings.object_locked")


class LockIndex:
    """The index says what is held and how long it is kept, and of which objects the bucket was told so.

    What is noted is on disk.
    """

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

    async def retained_less(self, days: int, *, after: tuple[int, str], most: int) -> list[Retained]:
        """Return archived recordings whose object was not seen to be retained for so many days, those after a place."""
        place = sa.tuple_(_C.retained_days, _C.id) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1]))
        # what names a version is archived; asked for the state, SQLite goes through all of that and sorts it
        query = sa.select(recordings).where(_C.retained_days < days, place, _C.object_version_id.is_not(None))
        query = query.order_by(_C.retained_days, _C.id).limit(most)

        def read(tx: sa.Connection) -> list[Retained]:
            rows = tx.execute(query).all()
            return [Retained(row.retained_days, one) for row, one in zip(rows, load_recordings(tx, rows), strict=True)]

        return await self._database.read(read)

    async def note_retained(
        self, recording: Recording, *, days: int, until: datetime | None, by: Actor, now: datetime
    ) -> None:
        """Note that the object's version is retained until then, unless the row names another version by now.

        None: nothing was asked of the store, since the recording is due already.
        """

        def note(tx: sa.Connection) -> None:
            stored, here = _of_row(recording)
            told = {"retained_days": days} | ({} if until is None else {"retained_until": until})
            if tx.execute(sa.update(recordings).where(*here).values(told)).rowcount and until is not None:
                details = {"key": stored.key, "version_id": stored.version_id, "until": until.isoformat()}
                append(tx, AuditEntry.of(by, Action.OBJECT_RETAINED, recording.id, at=now, **details))

        await self._database.write(note)


class Retained(NamedTuple):
    """An archived recording, and the number of days for which its object was last seen to be retained."""

    days: int
    recording: Recording


def _of_row(recording: Recording) -> tuple[StoredFile, tuple[sa.ColumnElement[bool], ...]]:
    """Return the object, and the condition that the row still names that version of it."""
    stored = recording.archive
    assert stored is not None  # noqa: S101  (only what is archived is returned above)
    return stored, (_C.id == recording.id, _C.object_key == stored.key, _C.object_version_id == stored.version_id)


def _note(tx: sa.Connection, *, recording: Recording, locked: bool, by: Actor, now: datetime) -> None:
    stored, here = _of_row(recording)
    if tx.execute(sa.update(recordings).where(*here).values(object_locked=locked)).rowcount:
        action = Action.OBJECT_LOCKED if locked else Action.OBJECT_UNLOCKED
        append(tx, AuditEntry.of(by, action, recording.id, at=now, key=stored.key, version_id=stored.version_id))
