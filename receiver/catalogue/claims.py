"""How a run takes a recording: the one write of a run that no fence token allows, for it makes the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append
from receiver.catalogue.rows import one_recording
from receiver.catalogue.run_columns import NO_OBJECT, NO_UPLOAD, noted_of
from receiver.catalogue.states import change_state
from receiver.catalogue.transfers import load_unfinished
from receiver.errors import NotAloneError
from receiver.lifecycle import CLAIMABLE, SUSPECT_AFTER
from receiver.records import Action, Actor, Claim, RecordingId, State
from receiver.tables import deliveries, delivery_recordings, recordings

if TYPE_CHECKING:
    from datetime import datetime

_COLUMNS = (
    *("id", "fence", "attempts", "crashes"),
    *("payload_url", "source_host", "cut_sha256", "listed_at", "object_key"),
)
_WORKER = Actor("worker")
_C = recordings.c
_IS_RUNNING = _C.state == State.ARCHIVING
# the columns of outer tables as text: SQLAlchemy's RETURNING for SQLite drops the tables' names, in subqueries too
_NAMED_BY = (
    sa.select(sa.func.max(delivery_recordings.c.delivery_id))
    .where(delivery_recordings.c.recording_id == sa.literal_column("recordings.id"))
    .scalar_subquery()
)
"""The newest delivery that names the recording: ids of deliveries sort by time."""
_TRACEPARENT = (
    sa.select(deliveries.c.traceparent).where(sa.literal_column("deliveries.id") == _NAMED_BY).scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Claiming:
    """Who asks for a recording; `abandoned` is the fence of a run whose end could not be written, and is no crash."""

    recording_id: RecordingId
    now: datetime
    is_alone: bool
    abandoned: int | None

    @property
    def is_due(self) -> sa.ColumnElement[bool]:
        is_time = sa.or_(_C.next_attempt_at.is_(None), _C.next_attempt_at <= self.now)
        return sa.and_(_C.id == self.recording_id, _C.state.in_(CLAIMABLE), is_time)

    @property
    def crashed(self) -> sa.ColumnElement[int]:
        """Return 1 where another run had the recording and ended without a word."""
        is_another = _C.fence != (-1 if self.abandoned is None else self.abandoned)
        return sa.case((sa.and_(_IS_RUNNING, is_another), 1), else_=0)


def take(tx: sa.Connection, asked: Claiming) -> Claim | None:
    """Take it, or return None where there is nothing to do; see `Runs.claim`.

    Most claims are of rows that no run has: one statement, and a crash is looked for where one may be.
    """
    has_crashed, row = False, tx.execute(_taking(asked, CLAIMABLE - {State.ARCHIVING})).one_or_none()
    if row is None:
        has_crashed = bool(tx.execute(sa.select(asked.crashed).where(asked.is_due).with_for_update()).scalar())
        row = tx.execute(_taking(asked, CLAIMABLE)).one_or_none()
    if row is None:
        suspect = sa.select(_C.id).where(asked.is_due, _C.crashes + asked.crashed >= SUSPECT_AFTER)
        if not asked.is_alone and tx.execute(suspect).one_or_none() is not None:
            raise NotAloneError(f"runs of recording {asked.recording_id} ended without a word")
        return None
    if has_crashed:
        more = {"attempt": row.attempts, "crashes": row.crashes}
        append(tx, AuditEntry.of(_WORKER, Action.RUN_LOST, row.id, at=asked.now, **more))
    return Claim(
        recording=one_recording(tx, asked.recording_id),
        fence=row.fence,
        attempt=row.attempts,
        crashes=row.crashes,
        took_over=asked.is_alone and has_crashed,
        payload_url=row.payload_url,
        source_host=row.source_host,
        key=row.object_key,
        noted=noted_of(row),
        upload=load_unfinished(tx, row),
        cut_sha256=row.cut_sha256,
        is_listed=row.listed_at is not None,
        delivery_id=row.delivery_id,
        traceparent=row.traceparent,
    )


def _taking(asked: Claiming, leaving: frozenset[State]) -> Any:
    crashes = _C.crashes + asked.crashed
    attempts = _C.attempts + sa.case((_IS_RUNNING, 0), else_=1)
    return (
        change_state(State.ARCHIVING, leaving=leaving)
        .where(asked.is_due, sa.true() if asked.is_alone else crashes < SUSPECT_AFTER)
        .values(attempts=attempts, crashes=crashes, next_attempt_at=None)
        .returning(
            *(_C[name] for name in (*_COLUMNS, *NO_OBJECT, *NO_UPLOAD)),
            _NAMED_BY.label("delivery_id"),
            _TRACEPARENT.label("traceparent"),
        )
    )
