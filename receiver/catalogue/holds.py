"""What is held: the one question, asked in the transaction that would delete or replace, and the marks of its answers.

The holds themselves decide, compared with the row and the people as they are just then; and whatever a hold was once
found to cover (`held_recordings`) stays so until that hold is released, since what matched may have changed by the word
of a POST. The column `recordings.hold` says the same in short, for listings; nothing is deleted by its word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append_all
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.rows import load_attendees, load_participants
from receiver.catalogue.words import normalised
from receiver.records import Action, Actor, Hold, HoldId, HoldScope, RecordingId, State
from receiver.tables import held_recordings, recordings, standing_holds
from receiver.tables import holds as table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

Key = tuple[HoldScope, str]
"""What a hold names: of a person the id, or the e-mail as it is compared."""
HOLDS = Actor("holds")
_MAX_PERSON_CHARS = 320
_MARKED = held_recordings.c.recording_id == recordings.c.id


def held_among(tx: sa.Connection, ids: Sequence[RecordingId]) -> Mapping[RecordingId, tuple[Hold, ...]]:
    """Return which of these recordings are held, and by what: the question before anything is deleted or replaced.

    To be asked in the write transaction that decides on it. The rows are locked until that ends, so of it and of a hold
    that is being added one comes first: a hold that was here first is in the answer, and one that comes later meets
    what the transaction has made of the row. An id without a row is not in the answer.
    """
    for piece in pieces(sorted(ids)):
        tx.execute(_locked(piece)).all()
    return covering(tx, ids)


def covering(tx: sa.Connection, ids: Sequence[RecordingId]) -> dict[RecordingId, tuple[Hold, ...]]:
    """Return the holds that cover each of these recordings as of now, without a lock: to be shown."""
    found: dict[RecordingId, dict[HoldId, Hold]] = {}
    for piece in pieces(ids):
        for recording_id, one in (*_derived(tx, piece), *_marked(tx, piece), *_unexplained(tx, piece)):
            found.setdefault(recording_id, {})[one.id] = one
    return {recording_id: tuple(sorted(of.values(), key=lambda one: one.id)) for recording_id, of in found.items()}


def hold_on_person(tx: sa.Connection, *, user_id: int | None, email: str | None) -> tuple[Hold, ...]:
    """Return the holds that name this person, who cannot be forgotten while they stand: they are known by the name."""
    keys = {(HoldScope.PERSON, person_value(one)) for one in (user_id, email) if one is not None}
    if user_id is not None:
        keys.add((HoldScope.HOST, str(user_id)))
    return tuple(sorted(_standing(tx, keys).values(), key=lambda one: one.id))


def person_value(user_id_or_email: int | str) -> str:
    """Return how a person is named by a hold, and compared."""
    return "".join(normalised(str(user_id_or_email)).split())[:_MAX_PERSON_CHARS]


STANDING = sa.select(standing_holds.c.number).with_for_update(read=True).scalar_subquery()
"""How many holds may cover what is added now; read, it keeps another from being added until the transaction ends."""


def any_may_come(tx: sa.Connection) -> bool:
    """Tell whether any hold may cover what is added now, and keep another from being added until this one is done.

    To be asked before any row is locked that others may lock, by what adds recordings or changes of whom they are; then
    `mark` them.
    """
    return bool(tx.execute(sa.select(STANDING)).scalar_one())


def wait_for_intake(tx: sa.Connection) -> None:
    """Let end what has read `STANDING`, and hold back what is about to; first of all in a transaction, and briefly.

    The table's lock is given in the order in which it is asked for, the row's would have to wait for a moment without
    deliveries. Whoever only reads the table, such as a backup, is in nobody's way. SQLite has one writer.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(sa.text("LOCK TABLE standing_holds IN EXCLUSIVE MODE"))


def mark(tx: sa.Connection, ids: Iterable[RecordingId], *, at: datetime) -> list[RecordingId]:
    """Mark what standing holds cover of these recordings, whose rows the caller has locked, and put it on record.

    Returns those with a new mark. Nothing is unmarked, and what is erased is left alone.
    """
    marked: list[RecordingId] = []
    for piece in pieces(sorted(ids)):
        before = {(recording_id, hold.id) for recording_id, hold in _marked(tx, piece)}
        found = [one for one in _derived(tx, piece, but=State.ERASED) if (one[0], one[1].id) not in before]
        if found:
            tx.execute(sa.insert(held_recordings), [{"recording_id": key, "hold_id": hold.id} for key, hold in found])
            held = sorted({key for key, _ in found})
            tx.execute(sa.update(recordings).where(recordings.c.id.in_(held)).values(hold=True))
            append_all(tx, [covered(key, hold, Action.HELD, hold.reason, at) for key, hold in found])
            marked += held
    return marked


def unmark(tx: sa.Connection, hold: Hold, *, reason: str | None, at: datetime, most: int) -> int:
    """Take up to `most` of a released hold's marks away, put it on record, and return how many they were."""
    c = held_recordings.c
    query = sa.select(c.recording_id).where(c.hold_id == hold.id).order_by(c.recording_id).limit(most)
    ids = [RecordingId(one) for one in tx.execute(query).scalars()]
    for piece in pieces(ids):
        tx.execute(_locked(piece)).all()
        tx.execute(sa.delete(held_recordings).where(c.hold_id == hold.id, c.recording_id.in_(piece)))
        is_free = ~sa.exists().where(_MARKED)
        tx.execute(sa.update(recordings).where(recordings.c.id.in_(piece), is_free).values(hold=False))
        if hold.scope is not HoldScope.RECORDING:
            append_all(tx, [covered(one, hold, Action.RELEASED, reason, at) for one in piece])
    return len(ids)


def covered(recording_id: RecordingId, hold: Hold, action: Action, reason: str | None, at: datetime) -> AuditEntry:
    """Return the log's entry of one recording that a hold covers, or covered until now."""
    return AuditEntry.of(HOLDS, action, recording_id, at=at, reason=reason, hold=hold.id)


def _locked(ids: Sequence[RecordingId]) -> sa.Select[Any]:
    return sa.select(recordings.c.id).where(recordings.c.id.in_(ids)).order_by(recordings.c.id).with_for_update()


def _derived(
    tx: sa.Connection, ids: Sequence[RecordingId], *, but: State | None = None
) -> list[tuple[RecordingId, Hold]]:
    """Return the holds that name each recording, its meeting or one of its people, as the rows are now."""
    if tx.execute(sa.select(table.c.id).limit(1)).first() is None:
        return []
    c = recordings.c
    query = sa.select(c.id, c.meeting_id, c.host_id, c.host_email).where(c.id.in_(ids))
    rows = tx.execute(query if but is None else query.where(c.state != but)).all()
    taking_part, invited = load_participants(tx, ids), load_attendees(tx, ids)
    keys: dict[RecordingId, set[Key]] = {}
    for row in rows:
        people = [row.host_id, row.host_email, *taking_part.get(row.id, ())]
        people += [name for one in invited.get(row.id, ()) for name in (one.id, one.email)]
        named = {(HoldScope.PERSON, person_value(one)) for one in people if one is not None}
        named |= {(HoldScope.RECORDING, row.id), (HoldScope.MEETING, row.meeting_id)}
        keys[RecordingId(row.id)] = named | ({(HoldScope.HOST, str(row.host_id))} if row.host_id is not None else set())
    standing = _standing(tx, set().union(*keys.values())).values()
    return [(key, one) for key, named in keys.items() for one in standing if (one.scope, one.value) in named]


def _standing(tx: sa.Connection, keys: set[Key]) -> dict[HoldId, Hold]:
    found: dict[HoldId, Hold] = {}
    for values in pieces(sorted({value for _, value in keys})):
        for row in tx.execute(sa.select(table).where(table.c.value.in_(values))):
            hold = read_hold(row)
            if (hold.scope, hold.value) in keys:
                found[hold.id] = hold
    return found


def _marked(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[tuple[RecordingId, Hold]]:
    c = held_recordings.c
    query = sa.select(table, c.recording_id).join_from(table, held_recordings, c.hold_id == table.c.id)
    rows = tx.execute(query.where(c.recording_id.in_(ids)))
    return [(RecordingId(row.recording_id), read_hold(row)) for row in rows]


def _unexplained(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[tuple[RecordingId, Hold]]:
    """Return what a process of an earlier release has held, beside this one: that sets the column and nothing else."""
    c = recordings.c
    query = sa.select(c.id, c.first_seen_at).where(c.id.in_(ids), c.hold.is_(sa.true()), ~sa.exists().where(_MARKED))
    return [
        (
            RecordingId(row.id),
            Hold(
                id=HoldId(0),
                scope=HoldScope.RECORDING,
                value=row.id,
                reason="held by an earlier release, which asked for no reason",
                actor="unknown",
                at=row.first_seen_at,
            ),
        )
        for row in tx.execute(query)
    ]


def read_hold(row: sa.Row[Any]) -> Hold:
    """Read a hold's row."""
    return Hold(
        id=HoldId(row.id),
        scope=HoldScope(row.scope),
        value=row.value,
        reason=row.reason,
        actor=row.actor,
        at=row.at,
    )
