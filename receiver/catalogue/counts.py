"""How many recordings stand in each state, without a look at them: triggers keep the sums (migration 0017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.records import State
from receiver.tables import state_counts

if TYPE_CHECKING:
    from receiver.tables import Database

_FOLD_AT = 1000
"""Rows from which they are folded: so many are summed in a millisecond."""
_FOLD_LOCK = 7263548211
_FOLD = sa.text(
    "WITH gone AS (DELETE FROM state_counts RETURNING state, number) "
    "INSERT INTO state_counts (state, number) SELECT state, sum(number) FROM gone GROUP BY state"
)


async def count_states(database: Database) -> dict[State, int]:
    """Return how many recordings stand in each state; where many changes have been noted, fold them first."""
    query = sa.select(state_counts.c.state, sa.func.sum(state_counts.c.number), sa.func.count())
    rows = await database.read(lambda tx: tx.execute(query.group_by(state_counts.c.state)).all())
    if not database.is_sqlite and sum(row[2] for row in rows) > _FOLD_AT:
        await database.write(_fold)
    found = {State(state): int(number) for state, number, _ in rows}
    return {state: found.get(state, 0) for state in State}


def _fold(tx: sa.Connection) -> None:
    """Put one row in the place of all that are committed; nobody waits, and of two at once the second does nothing."""
    mine = tx.execute(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _FOLD_LOCK})
    if mine.scalar_one():
        tx.execute(_FOLD)
