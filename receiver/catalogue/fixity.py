"""Which archived objects are to be read again, and what was found: on the row, and in the log of what was done."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.outbox import Outbox
from receiver.catalogue.rows import load_recordings, one_recording
from receiver.catalogue.run_columns import proven_by
from receiver.errors import WrongStateError
from receiver.records import Action, EventType, Fixity, Recording, RecordingId, State
from receiver.tables import Database, bucket_walks, recordings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from datetime import datetime, timedelta

    from receiver.records import Actor, StoredFile, Verdict

_PAGE_ROWS = 100
_SPREAD_ROWS = 500
_ACTIONS = {
    Fixity.INTACT: Action.VERIFIED,
    Fixity.DAMAGED: Action.FOUND_DAMAGED,
    Fixity.MISSING: Action.FOUND_MISSING,
    Fixity.UNREADABLE: Action.FOUND_UNREADABLE,
}
_UNSOUND = [one for one in Fixity if one is not Fixity.INTACT]
_ARCHIVED = recordings.c.state == State.ARCHIVED


class FixityIndex:
    """What is noted is on disk before the call returns, and only where the row still names the object that was read.

    What was found wanting, and what was repaired, is noted in the `outbox` too.
    """

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox or Outbox()

    async def archived(self, *, after: str = "", older_than: datetime | None = None) -> AsyncGenerator[Recording]:
        """Yield archived recordings by id, those after `after`; with `older_than`, those not proven since then."""
        chosen = _not_proven_since(older_than)
        while page := await self._database.read(partial(_page, chosen=chosen, after=after)):
            for recording in page:
                yield recording
            after = page[-1].id

    async def count(self, *, older_than: datetime | None = None) -> int:
        """Return how many those are."""
        query = sa.select(sa.func.count()).where(_not_proven_since(older_than))
        return await self._database.read(lambda tx: tx.execute(query).scalar_one())

    async def unread(self, *, upto: str) -> list[RecordingId]:
        """Return those that could not be read when they were last tried, up to an id."""
        query = sa.select(recordings.c.id).where(_ARCHIVED, recordings.c.unread_since.is_not(None))
        query = query.where(recordings.c.id <= upto)
        found = await self._database.read(lambda tx: tx.execute(query).scalars().all())
        return [RecordingId(one) for one in found]

    async def recording(self, recording_id: RecordingId) -> Recording:
        """Return one; raises `NotFoundError`."""
        return await self._database.read(lambda tx: one_recording(tx, recording_id))

    async def each(self, ids: Iterable[RecordingId]) -> AsyncGenerator[Recording]:
        """Yield those of these that are archived; raises `NotFoundError` for one that there is not."""
        for recording_id in ids:
            recording = await self.recording(recording_id)
            if recording.archive is not None:
                yield recording

    async def others(self, than: RecordingId, *, most: int) -> list[Recording]:
        """Return a few small archived objects that were not found wanting, to see whether the store gives any out."""
        c = recordings.c
        sound = sa.or_(c.fixity.is_(None), c.fixity == Fixity.INTACT)
        query = sa.select(recordings).where(_ARCHIVED, c.id != than, sound, c.unread_since.is_(None))
        query = query.order_by(c.archived_at.desc()).limit(most * 8)
        found = await self._database.read(lambda tx: load_recordings(tx, tx.execute(query).all()))
        return sorted(found, key=lambda one: one.archive.size_bytes if one.archive else 0)[:most]

    async def spread(self, *, every: timedelta, now: datetime) -> None:
        """Give each archived row without one a time at which it is due, evenly within `every`; safe to repeat.

        After a change of `every` those that would come too late are given another.
        """
        c = recordings.c
        late = sa.or_(c.audit_due_at.is_(None), c.audit_due_at > now + every)
        query = sa.select(c.id).where(_ARCHIVED, late).limit(_SPREAD_ROWS)

        def spread(tx: sa.Connection) -> int:
            ids = tx.execute(query).scalars().all()
            rows = [{"row_id": one, "due_at": now + every * _share(one)} for one in ids]
            if rows:
                update = sa.update(recordings).where(c.id == sa.bindparam("row_id"), _ARCHIVED)
                tx.execute(update.values(audit_due_at=sa.bindparam("due_at")), rows)
            return len(rows)

        while await self._database.write(spread):
            pass

    async def due(self, *, now: datetime, most: int = _PAGE_ROWS) -> list[Recording]:
        """Return those whose time has come, the longest due first."""
        c = recordings.c
        query = sa.select(recordings).where(_ARCHIVED, c.audit_due_at <= now).order_by(c.audit_due_at).limit(most)
        return await self._database.read(lambda tx: load_recordings(tx, tx.execute(query).all()))

    async def unread_since(self, recording: Recording) -> datetime | None:
        """Return since when each reading of the object failed; None where the last one did not."""
        query = sa.select(recordings.c.unread_since).where(recordings.c.id == recording.id)
        return await self._database.read(lambda tx: tx.execute(query).scalar_one_or_none())

    async def note(self, verdict: Verdict, *, by: Actor, now: datetime, next_at: datetime | None) -> bool:
        """Note how an object was found; false where the row names another by now, or none."""
        values: dict[str, Any] = {"fixity": verdict.fixity, "unread_since": None}
        if verdict.fixity is Fixity.INTACT:
            values["verified_at"] = now
        if verdict.fixity is Fixity.UNREADABLE:
            values["unread_since"] = sa.func.coalesce(recordings.c.unread_since, sa.literal(now, _TIME))
        if next_at is not None:
            values["audit_due_at"] = next_at
        stored = verdict.recording.archive
        assert stored is not None  # noqa: S101  (only archived ones are read)
        entry = audit_log.AuditEntry.of(
            by,
            _ACTIONS[verdict.fixity],
            verdict.recording.id,
            at=now,
            outcome=verdict.reason,
            version_id=stored.version_id,
            sha256=stored.sha256,
        )
        is_news = verdict.fixity in _UNSOUND and verdict.recording.fixity is not verdict.fixity
        return await self._changed(verdict.recording, values, entry, event=EventType.DAMAGED if is_news else None)

    async def put_off(self, recording: Recording, *, next_at: datetime) -> None:
        """Have an object read again then, which was found as before."""
        await self._changed(recording, {"audit_due_at": next_at}, None)

    async def note_unread(self, recording: Recording, *, now: datetime, next_at: datetime) -> None:
        """Note that an object could not be read this time, which is no verdict yet."""
        values = {
            "unread_since": sa.func.coalesce(recordings.c.unread_since, sa.literal(now, _TIME)),
            "audit_due_at": next_at,
        }
        await self._changed(recording, values, None)

    async def repaired(
        self, recording: Recording, stored: StoredFile, *, origin: str, by: Actor, now: datetime
    ) -> None:
        """Let the row name the object that was stored and proven in place of a damaged one.

        Raises `WrongStateError` where the row names another by now, or none.
        """
        before = recording.archive
        assert before is not None  # noqa: S101  (only archived ones are repaired)
        values: dict[str, Any] = {
            "object_bucket": stored.bucket,
            "object_key": stored.key,
            "object_version_id": stored.version_id,
            "object_locked": False,
            "retained_days": 0,  # `retained_until` stays: the version before this one is still retained
            "verified_at": now,
            "fixity": Fixity.INTACT,
            "unread_since": None,
            **proven_by(stored, now),
        }
        entry = audit_log.AuditEntry.of(
            by,
            Action.REPAIRED,
            recording.id,
            at=now,
            outcome=f"from {origin}",
            version_id=stored.version_id,
            sha256=stored.sha256,
            replaced_version_id=before.version_id,
        )
        if not await self._changed(recording, values, entry, event=EventType.REPAIRED):
            raise WrongStateError(f"recording {recording.id} was changed while it was repaired")

    async def _changed(
        self,
        recording: Recording,
        values: dict[str, Any],
        entry: audit_log.AuditEntry | None,
        *,
        event: EventType | None = None,
    ) -> bool:
        stored, c = recording.archive, recordings.c
        assert stored is not None  # noqa: S101
        version = c.object_version_id
        update = (
            sa.update(recordings)
            .where(c.id == recording.id, _ARCHIVED, c.object_key == stored.key, c.sha256 == stored.sha256)
            .where(version.is_(None) if stored.version_id is None else version == stored.version_id)
            .values(values)
        )

        def change(tx: sa.Connection) -> bool:
            if tx.execute(update).rowcount != 1:
                return False
            if entry is not None:
                audit_log.append(tx, entry)
                if event is not None:
                    self._outbox.add(tx, recording.id, event, at=entry.at)
            return True

        return await self._database.write(change)

    async def copies_run(self) -> bool:
        """Tell whether any process copies a recording now."""
        query = sa.select(recordings.c.id).where(recordings.c.state == State.ARCHIVING).limit(1)
        return await self._database.read(lambda tx: tx.execute(query).one_or_none()) is not None

    async def stored_bytes(self) -> int:
        """Return how many bytes are archived."""
        total = sa.select(sa.func.coalesce(sa.func.sum(recordings.c.size_bytes), 0)).where(_ARCHIVED)
        return int(await self._database.read(lambda tx: tx.execute(total).scalar_one()))

    async def oldest_proof_at(self) -> datetime | None:
        """Return when the object was proven that was not for the longest time; None where nothing is archived."""
        c = recordings.c
        never = sa.select(sa.func.min(c.archived_at)).where(c.verified_at.is_(None), c.archived_at.is_not(None))
        again = sa.select(sa.func.min(c.verified_at)).where(c.verified_at.is_not(None))

        def read(tx: sa.Connection) -> datetime | None:
            times = [tx.execute(query).scalar_one() for query in (never.where(_ARCHIVED), again.where(_ARCHIVED))]
            return min((one for one in times if one is not None), default=None)

        return await self._database.read(read)

    async def unsound(self) -> dict[Fixity, int]:
        """Return how many objects were found damaged, missing and unreadable when they were last read."""
        c = recordings.c
        query = sa.select(c.fixity, sa.func.count()).where(c.fixity.in_(_UNSOUND), _ARCHIVED)
        rows = await self._database.read(lambda tx: tx.execute(query.group_by(c.fixity)).all())
        found = {Fixity(fixity): many for fixity, many in rows}
        return {one: found.get(one, 0) for one in _UNSOUND}


class BucketWalks:
    """How far walks over all objects are, so that one that was killed is gone on with. Each has one name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begun(self, name: str, *, now: datetime, kept_for: timedelta) -> tuple[str, dict[str, int]] | None:
        """Return where the walk of this name was and what it had counted; None where it is to begin."""
        query = sa.select(bucket_walks).where(bucket_walks.c.name == name, bucket_walks.c.noted_at > now - kept_for)
        row = await self._database.read(lambda tx: tx.execute(query).one_or_none())
        return None if row is None else (row.place, row.tally)

    async def note(self, name: str, place: str, tally: dict[str, int], *, now: datetime) -> None:
        """Note the last thing that was done, and what was counted with it in all."""
        await self._database.write(self.noting(name, place, tally, now=now))

    def noting(self, name: str, place: str, tally: dict[str, int], *, now: datetime) -> Callable[[sa.Connection], None]:
        """Return what does that within a transaction that also writes what was done."""
        values = {"noted_at": now, "place": place, "tally": tally}
        row = self._database.insert(bucket_walks).values(name=name, began_at=now, **values)
        noted = row.on_conflict_do_update(index_elements=["name"], set_=values)

        def note(tx: sa.Connection) -> None:
            tx.execute(noted)

        return note

    async def end(self, name: str) -> None:
        """Forget the walk, since it is over."""
        gone = sa.delete(bucket_walks).where(bucket_walks.c.name == name)
        await self._database.write(lambda tx: tx.execute(gone))


_TIME = recordings.c.unread_since.type


def _page(tx: sa.Connection, *, chosen: sa.ColumnElement[bool], after: str) -> list[Recording]:
    query = sa.select(recordings).where(chosen, recordings.c.id > after).order_by(recordings.c.id).limit(_PAGE_ROWS)
    return load_recordings(tx, tx.execute(query).all())


def _not_proven_since(moment: datetime | None) -> sa.ColumnElement[bool]:
    if moment is None:
        return _ARCHIVED
    proven_at = sa.func.coalesce(recordings.c.verified_at, recordings.c.archived_at)
    return sa.and_(_ARCHIVED, proven_at < moment)


def _share(recording_id: str) -> float:
    """Return a number from 0 to 1 that is a recording's own."""
    return int.from_bytes(hashlib.sha256(recording_id.encode()).digest()[:8], "big") / 2**64
