"""What is read of the log: entries that match, newest first, and what is on record of one recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.rows import one_recording
from receiver.records import ARCHIVED, FIRST_SEEN, Action, LoggedAct, State
from receiver.tables import audit_log, delivery_recordings, recordings
from receiver.tables import unsealed_audit_log as unsealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from receiver.records import Recording, RecordingId

_MOST_DELIVERIES = 500
MOST_ACTS = 1000
"""The newest acts that a history names; the log has all."""
_OF_MEETING = frozenset(action for action in Action if action.startswith("source_"))
"""Actions whose subject is a meeting; where an entry names recordings, it tells of these alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which entries; `actor` with or without what stands before its name, `until` is left out of the span."""

    actor: str | None = None
    action: str | None = None
    recording_id: RecordingId | None = None
    since: datetime | None = None
    until: datetime | None = None

    def clauses(self, tx: sa.Connection) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the conditions on the sealed log."""
        c = audit_log.c
        if self.actor is not None:
            yield c.actor.in_([self.actor, f"token:{self.actor}", f"cli:{self.actor}"])
        if self.action is not None:
            yield c.action == self.action
        if self.recording_id is not None:
            yield c.subject.in_(_subjects(tx, self.recording_id))
        if self.since is not None:
            yield c.at >= self.since
        if self.until is not None:
            yield c.at < self.until


def _subjects(tx: sa.Connection, recording_id: RecordingId) -> list[str]:
    """Return what entries of a recording may be about: itself, its meeting and the newest deliveries that named it.

    As values and not as a subquery, so that their index is used whatever a database guesses of their number.
    """
    meeting = sa.select(recordings.c.meeting_id).where(recordings.c.id == recording_id)
    c = delivery_recordings.c
    named = sa.select(c.delivery_id).where(c.recording_id == recording_id).order_by(c.delivery_id.desc())
    found = [recording_id, *tx.execute(meeting).scalars(), *tx.execute(named.limit(_MOST_DELIVERIES)).scalars()]
    return list(dict.fromkeys(found))


def load_entries(tx: sa.Connection, asked: LogQuery, *, before: int | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Read the newest entries that match, from the place `before` on."""
    query = sa.select(audit_log).where(*asked.clauses(tx)).order_by(audit_log.c.id.desc()).limit(limit)
    return tx.execute(query if before is None else query.where(audit_log.c.id < before)).all()


def read_act(row: sa.Row[Any], *, is_sealed: bool = True) -> LoggedAct:
    """Read an entry's row."""
    rest = dict(row.details)
    role, reason, outcome = (_text(rest.pop(name, None)) for name in ("role", "reason", "outcome"))
    return LoggedAct(
        id=row.id if is_sealed else None,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        role=role,
        reason=reason,
        outcome=outcome,
        details=rest,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is on record of a recording, in order of time; `is_cut` where older acts were left out."""

    recording: Recording
    events: list[LoggedAct] = field(default_factory=list)
    is_cut: bool = False


def load_history(tx: sa.Connection, recording_id: RecordingId) -> History:
    """Read a recording's history: what its row tells, and the newest acts of the log; raises `NotFoundError`."""
    recording = one_recording(tx, recording_id)
    acts: list[LoggedAct] = []
    subjects = _subjects(tx, recording_id)
    for log in (audit_log, unsealed):
        query = sa.select(log).where(log.c.subject.in_(subjects)).order_by(log.c.id.desc()).limit(MOST_ACTS + 1)
        acts += (read_act(row, is_sealed=log is audit_log) for row in reversed(tx.execute(query).all()))
    acts = sorted((act for act in acts if _names(act, recording_id)), key=lambda act: act.at)
    events = sorted([*_told_by_row(recording, acts), *acts[-MOST_ACTS:]], key=lambda event: event.at)
    return History(recording=recording, events=events, is_cut=len(acts) > MOST_ACTS)


def _names(act: LoggedAct, recording_id: RecordingId) -> bool:
    named = act.details.get("recordings")
    if act.action not in _OF_MEETING or not isinstance(named, list):
        return True
    return any(one.get("id") == recording_id for one in named)


def _told_by_row(recording: Recording, acts: list[LoggedAct]) -> Iterator[LoggedAct]:
    yield LoggedAct(
        id=None,
        at=recording.first_seen_at,
        actor=recording.first_seen_via.value,
        action=FIRST_SEEN,
        subject=recording.id,
    )
    # an erased one's is of its erasure, which the log tells
    error = None if recording.state is State.ERASED else recording.error
    if error is not None and not any(act.action == Action.RUN_FAILED and act.at == error.at for act in acts):
        # of a release that wrote no entries of failed runs
        yield LoggedAct(
            id=None, at=error.at, actor="worker", action=Action.RUN_FAILED, subject=recording.id, reason=error.code
        )
    stored = recording.archive
    if recording.archived_at is not None:
        yield LoggedAct(
            id=None,
            at=recording.archived_at,
            actor="worker",
            action=ARCHIVED,
            subject=recording.id,
            # of an erased one only that it was
            details={}
            if stored is None
            else {"key": stored.key, "size_bytes": stored.size_bytes, "sha256": stored.sha256},
        )
