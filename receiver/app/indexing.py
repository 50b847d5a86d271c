"""Rows that stand in no index of words yet: those that a release before it wrote."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.catalogue.indexing import count_left, index_left
from receiver.jobs import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.tables import Database

_EVERY = timedelta(seconds=30)
"""Only a process of an earlier release, beside newer ones, still leaves some: looking each 2 s was a third of what an
idle service costs.
"""
_AT_ONCE = 500
"""Rows of a transaction beside the service's own: others wait for it on SQLite."""
_MANY_AT_ONCE = 10_000

_log = logs.get("indexing")


async def index_all(database: Database, progress: Callable[[int, int], None]) -> int:
    """Index every row that is not yet, telling (rows done, rows in all); return how many. Killed, it can go on."""
    total, done = await database.read(count_left), 0
    while found := await database.write(lambda tx: index_left(tx, _MANY_AT_ONCE)):
        done += found
        progress(done, max(done, total))
    return done


def schedules(database: Database) -> tuple[Schedule, ...]:
    """Return the schedule that indexes, beside the service's work, what an earlier release left, or writes still."""

    async def index() -> None:
        done = 0
        while found := await database.write(lambda tx: index_left(tx, _AT_ONCE)):
            done += found
        if done:
            _log.info("recordings_indexed", rows=done)

    return (Schedule(name="index", every=_EVERY, first_after=timedelta(0), action=index),)
