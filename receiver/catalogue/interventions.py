"""What operators may change of a recording's row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append, append_all
from receiver.catalogue.rows import one_recording
from receiver.catalogue.states import change_state
from receiver.errors import ApiPausedError, WrongStateError
from receiver.lifecycle import CANCELLABLE, REPLAYABLE, SUSPECT_AFTER
from receiver.records import Action, Actor, Recording, RecordingId, State
from receiver.tables import Database, api_pauses, recordings

if TYPE_CHECKING:
    from collections.abc import Collection

_SERVICE = Actor("service")


@dataclass(frozen=True, slots=True)
class _Change:
    """What an operator has done to a recording's state, and from which states on."""

    action: Action
    leaving: Collection[State]
    to: State


_RETRY = _Change(Action.RETRIED, REPLAYABLE, State.PENDING)
_CANCEL = _Change(Action.CANCELLED, CANCELLABLE, State.CANCELLED)


class Interventions:
    """Each that names a recording returns it as it is afterwards, and raises `NotFoundError`.

    What is done is written to the log in the same transaction, with who did it (`by`) and when (`now`).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, entry: AuditEntry) -> None:
        """Write to the log what changes nothing else; it is on disk before the call returns."""
        await self._database.write(lambda tx: append(tx, entry))

    async def retry(self, recording_id: RecordingId, *, now: datetime, by: Actor = _SERVICE) -> Recording:
        """Make a recording pending again, its attempts counted anew; raises `WrongStateError`.

        The last error stays on the row until the next run has ended. A recording that a run works on is left to it.
        One that was set aside since it crashed alone is tried alone once more.
        """
        fresh = {"attempts": 0, "crashes": _still_suspect(), "next_attempt_at": now}
        return await self._change(recording_id, _RETRY, by=by, now=now, **fresh)

    async def retry_all(
        self,
        states: Collection[State],
        *,
        error_code: str | None,
        now: datetime,
        by: Actor = _SERVICE,
        dry_run: bool = False,
    ) -> int:
        """Do the same for all that are in one of the states, with `error_code` only those; return how many they are.

        With `dry_run` nothing is changed. Raises `WrongStateError` where none of the states may be left.
        """
        chosen = sa.true() if error_code is None else recordings.c.error_code == error_code
        change = change_state(State.PENDING, leaving=frozenset(states) & REPLAYABLE).where(chosen)
        values = {"attempts": 0, "crashes": _still_suspect(), "next_attempt_at": now}
        if dry_run:
            count = sa.select(sa.func.count()).where(recordings.c.state.in_(states), chosen)
            return await self._database.read(lambda tx: tx.execute(count).scalar_one())

        def write(tx: sa.Connection) -> int:
            ids = tx.execute(change.values(values).returning(recordings.c.id)).scalars().all()
            told = {"outcome": State.PENDING.value, "error_code": error_code, "together": len(ids)}
            append_all(tx, [AuditEntry.of(by, Action.RETRIED, one, at=now, **told) for one in ids])
            return len(ids)

        return await self._database.write(write)

    async def cancel(
        self, recording_id: RecordingId, *, by: Actor = _SERVICE, now: datetime | None = None
    ) -> Recording:
        """Take a recording that waits or failed out of work; raises `WrongStateError`."""
        return await self._change(recording_id, _CANCEL, by=by, now=now, next_attempt_at=None)

    async def end_api_pause(self, api_url: str, *, by: Actor, left_s: float, now: datetime) -> int:
        """Forget the pause that the API asked for, have what waits for its end tried now, and return how many that are.

        The audit log names who did it, and how long the pause, now `left_s`, would have lasted.
        """
        waiting = (
            change_state(State.PENDING, leaving={State.WAITING})
            .where(recordings.c.error_code == ApiPausedError.code)
            .values(next_attempt_at=now)
        )

        def write(tx: sa.Connection) -> int:
            tx.execute(sa.delete(api_pauses).where(api_pauses.c.api_url == api_url))
            woken = tx.execute(waiting).rowcount
            details = {"seconds_left": round(left_s), "recordings": woken}
            append(tx, AuditEntry.of(by, Action.API_PAUSE_LIFTED, api_url, at=now, **details))
            return woken

        return await self._database.write(write)

    async def _change(
        self, recording_id: RecordingId, change: _Change, *, by: Actor, now: datetime | None, **values: Any
    ) -> Recording:
        known = sa.select(recordings.c.state).where(recordings.c.id == recording_id).with_for_update()
        update = change_state(change.to, leaving=change.leaving).where(recordings.c.id == recording_id).values(values)

        def write(tx: sa.Connection) -> Recording:
            before = tx.execute(known).scalar_one_or_none()
            changed = tx.execute(update).rowcount
            recording = one_recording(tx, recording_id)
            if not changed:
                if recording.state is State.ERASED:
                    raise WrongStateError(
                        f"a recording that is erased cannot become {change.to}",
                        "nothing of it is left, and no copy is made",
                    )
                able = ", ".join(sorted(change.leaving))
                raise WrongStateError(
                    f"a recording that is {recording.state} cannot become {change.to}", f"only these can: {able}"
                )
            told = {"outcome": change.to.value, "before": before}
            append(tx, AuditEntry.of(by, change.action, recording_id, at=now or _utc_now(), **told))
            return recording

        return await self._database.write(write)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _still_suspect() -> sa.ColumnElement[int]:
    crashes = recordings.c.crashes
    return sa.case((crashes > SUSPECT_AFTER, SUSPECT_AFTER), else_=crashes)
