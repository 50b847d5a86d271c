"""Holds as operators add, release and list them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import words
from receiver.catalogue.audit_log import AuditEntry, append
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.holds import covering, held_among, mark, person_value, read_hold, unmark, wait_for_intake
from receiver.catalogue.kinds import ID, PERSON, USER_ID, shown
from receiver.catalogue.rows import one_recording
from receiver.catalogue.ways import by_token
from receiver.errors import InvalidQueryError, NotFoundError, WrongStateError
from receiver.records import (
    MAX_REASON_CHARS,
    Action,
    Hold,
    HoldId,
    HoldScope,
    Recording,
    RecordingId,
    State,
)
from receiver.tables import Database, held_recordings, recordings
from receiver.tables import holds as table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from receiver.records import Actor

_PAGE_ROWS = 500
"""Recordings marked in one transaction: others get their turn between two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsQuery:
    """Which holds: those of a scope, those that name a value, those that cover a recording."""

    scope: HoldScope | None = None
    value: str | None = None
    recording_id: RecordingId | None = None


class Holds:
    """A hold is in force, and a released one is not, once its first transaction is committed, with the log's entry.

    What it covers is marked in pages; what a killed process left is marked by `mark_left`. `by` is who had it done.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, scope: HoldScope, value: str, *, reason: str, by: Actor, now: datetime) -> Hold:
        """Hold a recording, or all that are of a meeting, a host or a person, now and later; safe to repeat.

        The very same hold again is the one that stands. Raises `InvalidQueryError` for a value or a reason that cannot
        be; of a recording `NotFoundError`, or `WrongStateError` where it was erased.
        """
        given = {"scope": scope, "value": _value(scope, value), "reason": _reason(reason), "actor": by.name, "at": now}
        hold = await self._database.write(partial(_add, given=given, by=by))
        if scope is not HoldScope.RECORDING:
            await self._mark(hold, now=now)
        return hold

    async def release(self, hold_id: HoldId, *, reason: str | None, by: Actor, now: datetime) -> Hold:
        """Release one hold; what others cover stays held. Raises `NotFoundError`."""
        told = None if reason is None else _reason(reason)

        hold = await self._database.write(partial(_release, hold_id=hold_id, reason=told, by=by, now=now))
        await self._unmark(hold, reason=told, now=now)
        return hold

    async def hold_recording(self, recording_id: RecordingId, *, reason: str, by: Actor, now: datetime) -> Recording:
        """Hold one recording; see `add`."""
        await self.add(HoldScope.RECORDING, recording_id, reason=reason, by=by, now=now)
        return await self._database.read(lambda tx: one_recording(tx, recording_id))

    async def release_recording(self, recording_id: RecordingId, *, reason: str, by: Actor, now: datetime) -> Recording:
        """Release the holds of this very recording; without one nothing changes.

        Raises `NotFoundError`; `WrongStateError` where only holds of its meeting or its people cover it.
        """
        told = _reason(reason)

        def release(tx: sa.Connection) -> Recording:
            holding = held_among(tx, [recording_id]).get(recording_id, ())
            own = [one for one in holding if one.scope is HoldScope.RECORDING]
            if holding and not own:
                named = ", ".join(f"{one.id} (of its {_OF[one.scope]})" for one in holding)
                raise WrongStateError(
                    f"recording {recording_id} is held by hold {named}", "release that hold by its id"
                )
            one_recording(tx, recording_id)
            for one in own:
                tx.execute(sa.delete(table).where(table.c.id == one.id))
                unmark(tx, one, reason=told, at=now, most=1)
            if len(own) == len(holding):
                tx.execute(sa.update(recordings).where(recordings.c.id == recording_id).values(hold=False))
            ids = [one.id for one in own]
            append(tx, AuditEntry.of(by, Action.RELEASED, recording_id, at=now, reason=told, holds=ids))
            return one_recording(tx, recording_id)

        return await self._database.write(release)

    async def count(self) -> int:
        """Return how many stand."""
        return await self._database.read(
            lambda tx: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        )

    async def mark_left(self, *, now: datetime) -> int:
        """Mark what holds cover and a killed process or an earlier release left unmarked, and unmark the opposite.

        Returns how many recordings were marked.
        """
        marked = 0
        of_many = sa.select(table).where(table.c.scope != HoldScope.RECORDING)
        for row in await self._database.read(lambda tx: tx.execute(of_many).all()):
            marked += await self._mark(read_hold(row), now=now)
        left = sa.select(held_recordings.c.hold_id).where(~sa.exists().where(table.c.id == held_recordings.c.hold_id))
        for hold_id in await self._database.read(lambda tx: tx.execute(left.distinct()).scalars().all()):
            gone = Hold(id=HoldId(hold_id), scope=HoldScope.MEETING, value="", reason="", actor="", at=now)
            await self._unmark(gone, reason=None, now=now)
        return marked

    async def _mark(self, hold: Hold, *, now: datetime) -> int:
        """Mark what the hold covers; what comes meanwhile is marked as it comes."""
        ids = await self._database.read(partial(_matching, hold=hold))

        def page(tx: sa.Connection, some: Sequence[RecordingId]) -> int:
            lock = sa.select(recordings.c.id).where(recordings.c.id.in_(some)).order_by(recordings.c.id)
            tx.execute(lock.with_for_update()).all()
            return len(mark(tx, some, at=now))

        return sum([await self._database.write(partial(page, some=some)) for some in pieces(ids, _PAGE_ROWS)])

    async def _unmark(self, hold: Hold, *, reason: str | None, now: datetime) -> None:
        page = partial(unmark, hold=hold, reason=reason, at=now, most=_PAGE_ROWS)
        while await self._database.write(page) == _PAGE_ROWS:
            pass


_OF = {HoldScope.MEETING: "meeting", HoldScope.HOST: "host", HoldScope.PERSON: "people", HoldScope.RECORDING: "own"}


def load_holds(tx: sa.Connection, asked: HoldsQuery, *, before: int | None, limit: int) -> list[Hold]:
    """Read the newest holds that match, from the id `before` on."""
    c = table.c
    query = sa.select(table).order_by(c.id.desc()).limit(limit)
    if asked.scope is not None:
        query = query.where(c.scope == asked.scope)
    if asked.value is not None:
        query = query.where(c.value.in_({asked.value, person_value(asked.value)}))
    if asked.recording_id is not None:
        found = covering(tx, [asked.recording_id]).get(asked.recording_id, ())
        query = query.where(c.id.in_([one.id for one in found]))
    if before is not None:
        query = query.where(c.id < before)
    return [read_hold(row) for row in tx.execute(query)]


def _add(tx: sa.Connection, *, given: dict[str, Any], by: Actor) -> Hold:
    scope: HoldScope = given["scope"]
    recording_id = RecordingId(given["value"])
    if scope is HoldScope.RECORDING:
        _lock_holdable(tx, recording_id)
    else:
        wait_for_intake(tx)
    same = sa.select(table).where(*(table.c[name] == given[name] for name in ("scope", "value", "reason", "actor")))
    row = tx.execute(same.limit(1)).first()
    if row is not None:
        return read_hold(row)
    hold_id = tx.execute(sa.insert(table).values(given).returning(table.c.id)).scalar_one()
    hold = Hold(id=HoldId(hold_id), **given)
    if scope is HoldScope.RECORDING:
        tx.execute(sa.insert(held_recordings).values(recording_id=recording_id, hold_id=hold_id))
        tx.execute(sa.update(recordings).where(recordings.c.id == recording_id).values(hold=True))
    append(tx, _entry(hold, Action.HELD, hold.reason, by, hold.at))
    return hold


def _lock_holdable(tx: sa.Connection, recording_id: RecordingId) -> None:
    query = sa.select(recordings.c.state).where(recordings.c.id == recording_id).with_for_update()
    state = tx.execute(query).scalar_one_or_none()
    if state is None:
        raise NotFoundError(f"there is no recording {recording_id}")
    if state == State.ERASED:
        raise WrongStateError(f"recording {recording_id} was erased", "nothing of it is left to be held")


def _release(tx: sa.Connection, *, hold_id: HoldId, reason: str | None, by: Actor, now: datetime) -> Hold:
    row = tx.execute(sa.select(table).where(table.c.id == hold_id)).one_or_none()
    hold = read_hold(row) if row is not None else None
    if hold is not None and hold.scope is HoldScope.RECORDING:
        held_among(tx, [RecordingId(hold.value)])  # its row is locked before its hold's, as everywhere
    elif hold is not None:
        wait_for_intake(tx)
    if hold is None or not tx.execute(sa.delete(table).where(table.c.id == hold_id)).rowcount:
        raise NotFoundError(f"there is no hold {hold_id}, or it was released")
    if hold.scope is HoldScope.RECORDING:
        unmark(tx, hold, reason=reason, at=now, most=1)
    append(tx, _entry(hold, Action.RELEASED, reason, by, now))
    return hold


def _entry(hold: Hold, action: Action, reason: str | None, by: Actor, at: datetime) -> AuditEntry:
    """Return the log's entry of the act; a person is in no log, so it names the hold."""
    subject = hold.value if hold.scope is HoldScope.RECORDING else f"hold:{hold.id}"
    value = None if hold.scope in {HoldScope.RECORDING, HoldScope.PERSON} else hold.value
    return AuditEntry.of(by, action, subject, at=at, reason=reason, hold=hold.id, scope=hold.scope.value, value=value)


def _matching(tx: sa.Connection, *, hold: Hold) -> list[RecordingId]:
    """Return what the hold may cover and is not marked: all that it covers, and few others, which `mark` sees."""
    is_marked = sa.exists().where(
        held_recordings.c.recording_id == recordings.c.id, held_recordings.c.hold_id == hold.id
    )
    found: set[RecordingId] = set()
    for clause in _clauses(tx, hold):
        query = sa.select(recordings.c.id).where(clause, recordings.c.state != State.ERASED, ~is_marked)
        found.update(RecordingId(one) for one in tx.execute(query).scalars())
    return sorted(found)


def _clauses(tx: sa.Connection, hold: Hold) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions that an index serves, any of which a recording that the hold covers meets."""
    c, value = recordings.c, hold.value
    if hold.scope is HoldScope.RECORDING:
        yield c.id == value
    elif hold.scope is HoldScope.MEETING:
        yield c.meeting_id == value
    elif hold.scope is HoldScope.HOST:
        yield c.host_id == int(value)
    else:
        tokens = [words.attendee(value)]
        if _is_number(value):
            yield c.host_id == int(value)
            tokens.append(words.participant(int(value)))
        else:
            tokens += words.pieces(value)[:1]  # as the host's e-mail is found
        for token in tokens:
            yield by_token(tx, token, 0).rows


def _value(scope: HoldScope, given: str) -> str:
    """Return the value as it is compared; raises `InvalidQueryError`."""
    name = f"the {scope} to hold"
    if scope in {HoldScope.RECORDING, HoldScope.MEETING}:
        return ID.read(name, [given])
    if scope is HoldScope.HOST or _is_number(given.strip()):
        return str(USER_ID.read(name, [given.strip()]))
    value = person_value(PERSON.read(name, [given]))
    if "@" not in value:
        raise InvalidQueryError(f"{shown(given)} is neither a user id nor an e-mail")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _reason(given: str) -> str:
    reason = " ".join(given.split())
    if not 0 < len(reason) <= MAX_REASON_CHARS or "\0" in reason:
        raise InvalidQueryError("a hold needs a reason", f"give one of 1 to {MAX_REASON_CHARS} characters")
    return reason
