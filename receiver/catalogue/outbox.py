"""Events about recordings: noted in the transaction of what they tell, and sent until they are delivered."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append_all
from receiver.catalogue.rows import one_recording
from receiver.errors import NotFoundError
from receiver.records import Action, Event, EventState, EventType, RecordingId, State
from receiver.tables import Database, deliveries, delivery_recordings, event_outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from receiver.records import Actor, Recording

TRIED_FOR = timedelta(days=3)
KEPT_FOR = timedelta(days=30)
"""How long an event that was delivered or given up can be sent again."""
_STATES = {
    State.ARCHIVED: EventType.ARCHIVED,
    State.FAILED: EventType.FAILED,
    State.MISSING: EventType.MISSING,
    State.ERASED: EventType.ERASED,
}
_c = event_outbox.c
_NAMED_BY = (
    sa.select(sa.func.max(delivery_recordings.c.delivery_id))
    .where(delivery_recordings.c.recording_id == _c.recording_id)
    .correlate(event_outbox)
    .scalar_subquery()
)
_TRACEPARENT = (
    sa.select(deliveries.c.traceparent).where(deliveries.c.id == _NAMED_BY).correlate(event_outbox).scalar_subquery()
)
_IS_PENDING = _c.next_attempt_at.is_not(None)
_IN = {
    EventState.PENDING: _IS_PENDING,
    EventState.DELIVERED: _c.delivered_at.is_not(None),
    EventState.FAILED: sa.and_(_c.next_attempt_at.is_(None), _c.delivered_at.is_(None)),
}


class Outbox:
    """Notes events, where somebody asked for them: `data_of` makes what is sent of a recording, None where nobody did.

    What is sent is fixed here, in the transaction of the change, so that a later one makes it no lie.
    """

    def __init__(self, data_of: Callable[[Recording], dict[str, Any]] | None = None) -> None:
        self._data_of = data_of

    def add(self, tx: sa.Connection, recording_id: RecordingId, kind: EventType, *, at: datetime) -> None:
        """Note an event of a recording whose row `tx` has changed already; raises `NotFoundError`.

        Of one recording events are delivered in the order in which they were noted.
        """
        if self._data_of is None:
            return
        event = {
            "webhook_id": f"msg_{secrets.token_hex(16)}",
            "recording_id": recording_id,
            "type": kind,
            "at": at,
            "data": self._data_of(one_recording(tx, recording_id)),
            "next_attempt_at": at,
            "gives_up_at": at + TRIED_FOR,
        }
        tx.execute(sa.insert(event_outbox).values(event))

    def add_state(self, tx: sa.Connection, recording_id: RecordingId, state: State, *, at: datetime) -> None:
        """Note that a recording came into a state, if that is one to tell of."""
        if (kind := _STATES.get(state)) is not None:
            self.add(tx, recording_id, kind, at=at)


def forget_events(recording_id: RecordingId) -> sa.Delete:
    """Return the DELETE of all events of a recording."""
    return sa.delete(event_outbox).where(_c.recording_id == recording_id)


class EventCounts(NamedTuple):
    """How many events are to be sent, and how many were given up."""

    pending: int
    failed: int


class Events:
    """What is to be sent, and what became of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: datetime, *, most: int) -> list[Event]:
        """Return events whose time has come, the oldest first, and of each recording none before its earlier ones."""
        earlier = event_outbox.alias()
        is_behind = (
            sa.select(earlier.c.id)
            .where(
                earlier.c.recording_id == _c.recording_id,
                earlier.c.id < _c.id,
                earlier.c.next_attempt_at.is_not(None),
            )
            .exists()
        )
        named = (_NAMED_BY.label("delivery_id"), _TRACEPARENT.label("traceparent"))
        query = sa.select(event_outbox, *named).where(_c.next_attempt_at <= now, ~is_behind)
        return await self._read(query.order_by(_c.id).limit(most))

    async def delivered(self, event: Event, *, now: datetime) -> None:
        """Note that the receiver has it."""
        await self._settle(event, next_attempt_at=None, delivered_at=now, error=None)

    async def refused(self, event: Event, error: str, *, next_attempt_at: datetime | None) -> None:
        """Note a failed attempt; without another one, it is given up."""
        await self._settle(event, next_attempt_at=next_attempt_at, error=error)

    async def _settle(self, event: Event, **values: Any) -> None:
        """Write what became of an attempt, unless another process has written of the same one."""
        same = sa.and_(_c.id == event.number, _c.attempts == event.attempts, _IS_PENDING)
        update = sa.update(event_outbox).where(same).values(attempts=event.attempts + 1, **values)
        await self._database.write(lambda tx: tx.execute(update))

    async def page(self, state: EventState | None, *, most: int) -> list[Event]:
        """Return the newest events, in one state where one is given."""
        query = sa.select(event_outbox).where(sa.true() if state is None else _IN[state])
        return await self._read(query.order_by(_c.id.desc()).limit(most))

    async def counts(self) -> EventCounts:
        """Return how many wait and how many were given up."""
        count = sa.select(sa.func.count()).select_from(event_outbox)
        pending, failed = count.where(_IN[EventState.PENDING]), count.where(_IN[EventState.FAILED])
        return await self._database.read(
            lambda tx: EventCounts(tx.execute(pending).scalar_one(), tx.execute(failed).scalar_one())
        )

    async def replay(self, webhook_ids: Sequence[str], *, by: Actor, now: datetime) -> None:
        """Have these sent again, from now on for as long as new ones; raises `NotFoundError`, and then sends none."""

        def replay(tx: sa.Connection) -> None:
            for webhook_id in webhook_ids:
                if not _send_again(tx, _c.webhook_id == webhook_id, by, now):
                    raise NotFoundError(f"there is no event {webhook_id}", "see `receiver events list`")

        await self._database.write(replay)

    async def replay_failed(self, *, by: Actor, now: datetime) -> int:
        """Have all sent again that were given up; return how many those are."""
        return await self._database.write(lambda tx: _send_again(tx, _IN[EventState.FAILED], by, now))

    async def forget(self, *, now: datetime) -> None:
        """Delete what was delivered or given up long ago."""
        old = sa.delete(event_outbox).where(_c.next_attempt_at.is_(None), _c.at < now - KEPT_FOR)
        await self._database.write(lambda tx: tx.execute(old))

    async def _read(self, query: sa.Select[Any]) -> list[Event]:
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [_event(row) for row in rows]


def _send_again(tx: sa.Connection, which: sa.ColumnElement[bool], by: Actor, now: datetime) -> int:
    anew = {"attempts": 0, "next_attempt_at": now, "gives_up_at": now + TRIED_FOR, "delivered_at": None, "error": None}
    again = sa.update(event_outbox).where(which).values(anew).returning(_c.recording_id, _c.webhook_id)
    sent = tx.execute(again).all()
    entries = [AuditEntry.of(by, Action.EVENT_REPLAYED, one.recording_id, at=now, event=one.webhook_id) for one in sent]
    append_all(tx, entries)
    return len(sent)


def _event(row: sa.Row[Any]) -> Event:
    values = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name for it)
    number, recording_id, kind = values.pop("id"), values.pop("recording_id"), values.pop("type")
    return Event(number=number, recording_id=RecordingId(recording_id), type=EventType(kind), **values)
