"""The one statement that changes a recording's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.errors import WrongStateError
from receiver.lifecycle import before
from receiver.records import State
from receiver.tables import recordings

if TYPE_CHECKING:
    from collections.abc import Collection

    from receiver.records import Claim


def change_state(to: State, *, leaving: Collection[State]) -> sa.Update:
    """Return the UPDATE that takes recordings from one of the states `leaving` to another; add which, and more values.

    A row in a state that the lifecycle does not let go there stays as it is. The fence moves on, so that a run that
    still believes in the old state can write nothing. Raises `WrongStateError` where none of the states may be left.
    """
    return _change(to, leaving).values(fence=recordings.c.fence + 1)


def end_run(claim: Claim, to: State) -> sa.Update:
    """Return the UPDATE that ends the run with this claim; it changes nothing once the run has lost its fence.

    Raises `WrongStateError` where the lifecycle does not let a run end so.
    """
    return _change(to, {State.ARCHIVING}).where(held_by(claim))


def held_by(claim: Claim) -> sa.ColumnElement[bool]:
    """Return the condition that the run with this claim still holds its recording."""
    return sa.and_(
        recordings.c.id == claim.recording.id,
        recordings.c.fence == claim.fence,
        recordings.c.state == State.ARCHIVING,
    )


def _change(to: State, leaving: Collection[State]) -> sa.Update:
    allowed = before(to) & frozenset(leaving)
    if not allowed:
        raise WrongStateError(f"a recording that is {', '.join(sorted(leaving))} cannot become {to}")
    return sa.update(recordings).where(recordings.c.state.in_(allowed)).values(state=to)
