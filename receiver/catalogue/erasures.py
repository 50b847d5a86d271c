"""What an erasure writes: rows without what they said, and how far the deletion of the files is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import append_all
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.erasure_rows import (
    LEAST_WAIT,
    READ,
    add_erased,
    began,
    empty,
    note_done,
    note_refused,
    read_erasing,
    refused,
    these,
    unfinished,
)
from receiver.catalogue.holds import held_among
from receiver.catalogue.outbox import Outbox, forget_events
from receiver.catalogue.rows import load_recordings
from receiver.manifests import manifest_key
from receiver.records import Erasing, FileVersion, MeetingId, OpenUpload, RecordingId, State, stem_of
from receiver.tables import Database, erasures, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from receiver.records import ErasureOrder, Hold, Recording, Tombstone


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an erasure would meet: `kept` are there, `held` stay so, `before` were erased, `unknown` have no row."""

    kept: tuple[RecordingId, ...]
    held: Mapping[RecordingId, tuple[Hold, ...]]
    before: tuple[RecordingId, ...]
    unknown: tuple[RecordingId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What one call began: `erasing` is to go on; the others as of a `Prospect`."""

    erasing: tuple[Erasing, ...]
    held: Mapping[RecordingId, tuple[Hold, ...]]
    before: tuple[RecordingId, ...]
    unknown: tuple[RecordingId, ...]


class Erasures:
    """`stem_of_new` tells what the key of a recording's next file would begin with, up to its extension.

    An erasure that is done is noted in the `outbox`; earlier events of the recording are forgotten when it begins.
    """

    def __init__(
        self, database: Database, *, stem_of_new: Callable[[Recording], str], outbox: Outbox | None = None
    ) -> None:
        self._database = database
        self._stem_of_new = stem_of_new
        self._outbox = outbox or Outbox()

    async def begin(self, ids: Sequence[RecordingId], order: ErasureOrder, *, was_erased: bool = False) -> Begun:
        """Take everything personal from the rows, whatever their state, and note where their files lie.

        A run that works on one has lost its fence. Held ones stay as they are, unless each `was_erased` before: a row
        out of an old backup, whose files are gone. Safe to repeat: what is erased but not to its end goes on.
        """

        def begin(tx: sa.Connection) -> Begun:
            rows = _locked(tx, ids)
            known = {RecordingId(row.id) for row in rows}
            held = {} if was_erased else held_among(tx, sorted(known))
            fresh = [row for row in rows if row.state != State.ERASED and row.id not in held]
            erasing = [self._erasing(row, one, order) for row, one in _read(tx, fresh)]
            empty(tx, erasing, order.at)
            for one in erasing:
                tx.execute(forget_events(one.recording_id))
            append_all(tx, [began(one, order.by) for one in erasing] + [refused(one, order) for one in held])
            again = unfinished(tx, [RecordingId(row.id) for row in rows if row.state == State.ERASED])
            going_on = {one.recording_id for one in again}
            return Begun(
                erasing=(*erasing, *again),
                held=held,
                before=tuple(
                    RecordingId(row.id) for row in rows if row.state == State.ERASED and row.id not in going_on
                ),
                unknown=tuple(one for one in ids if one not in known),
            )

        return await self._database.write(begin)

    def _erasing(self, row: sa.Row[Any], recording: Recording, order: ErasureOrder) -> Erasing:
        key = row.object_key
        files: tuple[FileVersion, ...] = ()
        if row.archived_at is not None and key is not None:
            files = (FileVersion(key, row.object_version_id), FileVersion(manifest_key(key), None))
        uploads = None
        if row.state != State.ARCHIVED:
            uploads = (OpenUpload(key=key, upload_id=row.upload_id),) if row.upload_id is not None else ()
        stems = [self._stem_of_new(recording), *([] if key is None else [stem_of(key)])]
        return Erasing(
            recording_id=recording.id,
            meeting_id=recording.meeting.id,
            certificate_id=order.certificate_id,
            reason=order.reason,
            actor=order.by.name,
            begun_at=order.at,
            stems=tuple(dict.fromkeys(stems)),
            files=files,
            uploads=uploads,
            retained=row.retained_until is not None,
        )

    async def of_meeting(self, meeting_id: MeetingId) -> list[RecordingId]:
        """Return all recordings of a meeting."""
        query = sa.select(recordings.c.id).where(recordings.c.meeting_id == meeting_id).order_by(recordings.c.id)
        return await self._database.read(lambda tx: [RecordingId(one) for one in tx.execute(query).scalars()])

    async def look(self, ids: Sequence[RecordingId]) -> Prospect:
        """Return what erasing these would meet; nothing is changed."""

        def look(tx: sa.Connection) -> Prospect:
            c = recordings.c
            states = {
                RecordingId(row.id): row.state
                for piece in pieces(ids)
                for row in tx.execute(sa.select(c.id, c.state).where(c.id.in_(piece)))
            }
            held = held_among(tx, sorted(states))
            return Prospect(
                kept=tuple(one for one in ids if states.get(one, State.ERASED) != State.ERASED and one not in held),
                held=held,
                before=tuple(one for one in ids if states.get(one) == State.ERASED),
                unknown=tuple(one for one in ids if one not in states),
            )

        return await self._database.read(look)

    async def left(self, *, now: datetime, most: int) -> list[Erasing]:
        """Return erasures whose files are to be looked for by now, the longest waiting first."""
        c = erasures.c
        query = sa.select(*READ).join(recordings, recordings.c.id == c.recording_id).where(c.look_at <= now)
        query = query.order_by(c.look_at, c.recording_id).limit(most)
        return await self._database.read(lambda tx: [read_erasing(row) for row in tx.execute(query)])

    async def note(
        self, done: Sequence[tuple[Erasing, int, int]], refused: Sequence[tuple[Erasing, str]], *, now: datetime
    ) -> None:
        """Note which were erased, with how many versions and bodies, and of which the store kept something, and why."""

        def note(tx: sa.Connection) -> None:
            _locked(tx, [one.recording_id for one, _, _ in done] + [one.recording_id for one, _ in refused])
            for erasing, versions, bodies in done:
                note_done(tx, erasing, versions, bodies, now)
                if not erasing.is_done:
                    self._outbox.add_state(tx, erasing.recording_id, State.ERASED, at=now)
            for erasing, why in refused:
                note_refused(tx, erasing, why, now)

        await self._database.write(note)

    async def put_off(self, erasing: Sequence[Erasing], *, now: datetime) -> None:
        """Keep others from going on with these for a while."""

        def put_off(tx: sa.Connection) -> None:
            _locked(tx, [one.recording_id for one in erasing])
            tx.execute(these(erasing).values(look_at=now + LEAST_WAIT))

        if erasing:
            await self._database.write(put_off)

    async def unknown(self, ids: Sequence[RecordingId]) -> tuple[list[RecordingId], list[RecordingId]]:
        """Return those of erased recordings that the index has as not erased, and those that it has not at all."""

        def read(tx: sa.Connection) -> tuple[list[RecordingId], list[RecordingId]]:
            c = recordings.c
            states = {
                row.id: row.state
                for piece in pieces(ids)
                for row in tx.execute(sa.select(c.id, c.state).where(c.id.in_(piece)))
            }
            back = [one for one in ids if one in states and states[one] != State.ERASED]
            return back, [one for one in ids if one not in states]

        return await self._database.read(read)

    async def add_erased(self, tombstones: Sequence[Tombstone], *, now: datetime) -> int:
        """Add rows of erased recordings that the index has not, so that nothing takes them in; return how many."""
        return await self._database.write(lambda tx: add_erased(tx, self._database, tombstones, now=now))


def _locked(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[sa.Row[Any]]:
    """Lock the recordings' rows, by id, before anything else of theirs: two may erase the same at once."""
    query = sa.select(recordings).order_by(recordings.c.id).with_for_update()
    return [row for piece in pieces(sorted(set(ids))) for row in tx.execute(query.where(recordings.c.id.in_(piece)))]


def _read(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[tuple[sa.Row[Any], Recording]]:
    return list(zip(rows, load_recordings(tx, rows), strict=True))
