"""How many recordings stand in each state, and how many bytes are archived: sums that triggers keep, so without a look.

Migrations 0017 and 0021 make the triggers; one that makes `recordings` anew must make them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from receiver.records import State
from receiver.tables import archived_bytes, state_counts

if TYPE_CHECKING:
    from receiver.tables import Database

_FOLD_AT = 1000
"""Rows from which they are folded: so many are summed in a millisecond."""
_FOLD_LOCK = 7263548211
_FOLD = (
    sa.text(
        "WITH gone AS (DELETE FROM state_counts RETURNING state, number) "
        "INSERT INTO state_counts (state, number) SELECT state, sum(number) FROM gone GROUP BY state"
    ),
    sa.text(
        "WITH gone AS (DELETE FROM archived_bytes RETURNING number) "
        "INSERT INTO archived_bytes (number) SELECT coalesce(sum(number), 0) FROM gone"
    ),
)


async def count_states(database: Database) -> dict[State, int]:
    """Return how many recordings stand in each state; where many changes have been noted, fold them first."""
    query = sa.select(state_counts.c.state, sa.func.sum(state_counts.c.number), sa.func.count())
    rows = await database.read(lambda tx: tx.execute(query.group_by(state_counts.c.state)).all())
    await _fold_many(database, sum(row[2] for row in rows))
    found = {State(state): int(number) for state, number, _ in rows}
    return {state: found.get(state, 0) for state in State}


async def sum_archived(database: Database) -> int:
    """Return how many bytes the archived recordings have in all; folds as `count_states` does."""
    query = sa.select(sa.func.coalesce(sa.func.sum(archived_bytes.c.number), 0), sa.func.count())
    size_bytes, rows = await database.read(lambda tx: tx.execute(query).one())
    await _fold_many(database, rows)
    return int(size_bytes)


async def _fold_many(database: Database, rows: int) -> None:
    if rows > _FOLD_AT and not database.is_sqlite:
        await database.write(_fold)


def _fold(tx: sa.Connection) -> None:
    """Put one row in the place of all that are committed; nobody waits, and of two at once the second does nothing."""
    mine = tx.execute(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _FOLD_LOCK})
    if mine.scalar_one():
        for statement in _FOLD:
            tx.execute(statement)
