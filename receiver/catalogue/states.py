"""The one statement that changes a recording's state, and what a run may write while it holds its fence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import FenceLostError, WrongStateError
from receiver.lifecycle import before
from receiver.records import State
from receiver.tables import recordings, upload_parts

if TYPE_CHECKING:
    from collections.abc import Collection

    from receiver.records import Claim, RecordingId


def change_state(to: State, *, leaving: Collection[State]) -> sa.Update:
    """Return the UPDATE that takes recordings from one of the states `leaving` to another; add which, and more values.

    A row in a state that the lifecycle does not let go there stays as it is. The fence moves on, so that a run that
    still believes in the old state can write nothing. Raises `WrongStateError` where none of the states may be left.
    """
    return _change(to, leaving).values(fence=recordings.c.fence + 1)


def end_run(claim: Claim, to: State) -> sa.Update:
    """Return the UPDATE that ends the run with this claim; it changes nothing once the run has lost its fence.

    Raises `WrongStateError` where the lifecycle does not let a run end so; no run erases what it works on.
    """
    if to is State.ERASED:
        raise WrongStateError("a run cannot end in erasing its recording")
    return _change(to, {State.ARCHIVING}).where(held_by(claim))


def held_by(claim: Claim) -> sa.ColumnElement[bool]:
    """Return the condition that the run with this claim still holds its recording."""
    return sa.and_(
        recordings.c.id == claim.recording.id,
        recordings.c.fence == claim.fence,
        recordings.c.state == State.ARCHIVING,
    )


def note(claim: Claim, values: dict[str, Any]) -> sa.Update:
    """Return the UPDATE by which the run with this claim writes down what it did; see `end_run`."""
    return sa.update(recordings).where(held_by(claim)).values(values)


def write_held(tx: sa.Connection, claim: Claim, update: sa.Update, *, keep_parts: bool) -> None:
    """Execute a run's update of its row; raises `FenceLostError` where it is no longer the run's."""
    if tx.execute(update).rowcount != 1:
        raise FenceLostError(_taken_over(claim))
    if not keep_parts:
        tx.execute(forget_parts(claim.recording.id))


def lock_held(tx: sa.Connection, claim: Claim) -> None:
    """Keep the row as it is until the transaction ends; raises `FenceLostError` where it is no longer the run's."""
    held = tx.execute(sa.select(recordings.c.id).where(held_by(claim)).with_for_update())
    if held.one_or_none() is None:
        raise FenceLostError(_taken_over(claim))


def forget_parts(recording_id: RecordingId) -> sa.Delete:
    """Return the DELETE of the parts that are noted of a recording's upload."""
    return sa.delete(upload_parts).where(upload_parts.c.recording_id == recording_id)


def _taken_over(claim: Claim) -> str:
    return f"another run or an operator took recording {claim.recording.id} over"


def _change(to: State, leaving: Collection[State]) -> sa.Update:
    allowed = before(to) & frozenset(leaving)
    if not allowed:
        raise WrongStateError(f"a recording that is {', '.join(sorted(leaving))} cannot become {to}")
    return sa.update(recordings).where(recordings.c.state.in_(allowed)).values(state=to)
