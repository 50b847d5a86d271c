"""What operators may change of a recording's row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.rows import one_recording
from receiver.catalogue.states import change_state
from receiver.errors import ApiPausedError, WrongStateError
from receiver.lifecycle import CANCELLABLE, REPLAYABLE, SUSPECT_AFTER
from receiver.records import Recording, RecordingId, State
from receiver.tables import Database, api_pauses, recordings

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


class Interventions:
    """Each that names a recording returns it as it is afterwards, and raises `NotFoundError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def retry(self, recording_id: RecordingId, *, now: datetime) -> Recording:
        """Make a recording pending again, its attempts counted anew; raises `WrongStateError`.

        The last error stays on the row until the next run has ended. A recording that a run works on is left to it.
        One that was set aside since it crashed alone is tried alone once more.
        """
        fresh = {"attempts": 0, "crashes": _still_suspect(), "next_attempt_at": now}
        return await self._change(recording_id, REPLAYABLE, State.PENDING, **fresh)

    async def retry_all(
        self, states: Collection[State], *, error_code: str | None, now: datetime, dry_run: bool = False
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
        return await self._database.write(lambda tx: tx.execute(change.values(values)).rowcount)

    async def cancel(self, recording_id: RecordingId) -> Recording:
        """Take a recording that waits or failed out of work; raises `WrongStateError`."""
        return await self._change(recording_id, CANCELLABLE, State.CANCELLED, next_attempt_at=None)

    async def set_hold(self, recording_id: RecordingId, hold: bool) -> Recording:  # noqa: FBT001
        """Set or lift the legal hold, in any state."""

        def write(tx: sa.Connection) -> Recording:
            tx.execute(sa.update(recordings).where(recordings.c.id == recording_id).values(hold=hold))
            return one_recording(tx, recording_id)

        return await self._database.write(write)

    async def end_api_pause(self, api_url: str, *, actor: str, left_s: float, now: datetime) -> int:
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
            entry = audit_log.AuditEntry(
                at=now, actor=actor, action="api_pause_lifted", subject=api_url, details=details
            )
            audit_log.append(tx, entry)
            return woken

        return await self._database.write(write)

    async def _change(
        self, recording_id: RecordingId, leaving: Collection[State], to: State, **values: Any
    ) -> Recording:
        change = change_state(to, leaving=leaving).where(recordings.c.id == recording_id).values(values)

        def write(tx: sa.Connection) -> Recording:
            changed = tx.execute(change).rowcount
            recording = one_recording(tx, recording_id)
            if not changed:
                able = ", ".join(sorted(leaving))
                raise WrongStateError(
                    f"a recording that is {recording.state} cannot become {to}", f"only these can: {able}"
                )
            return recording

        return await self._database.write(write)


def _still_suspect() -> sa.ColumnElement[int]:
    crashes = recordings.c.crashes
    return sa.case((crashes > SUSPECT_AFTER, SUSPECT_AFTER), else_=crashes)
