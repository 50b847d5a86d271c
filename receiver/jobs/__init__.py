"""The engine's port: rows say what is to be done, the engine delivers the work.

The catalogue row is the truth. An engine may lose, repeat or delay a job without harm: `Runs.claim` decides whether a
job still has work, and the sweep enqueues every row whose time has come and that no job carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from receiver.jobs.memory import MemoryJobs
from receiver.jobs.schedules import Schedule

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    import sqlalchemy as sa

    from receiver.jobs.postgres import PostgresJobs
    from receiver.records import RecordingId
    from receiver.tables import Database

    Handler = Callable[[RecordingId], Awaitable[None]]


class Jobs(Protocol):
    """What intake and the worker ask of an engine."""

    def enqueue(self, tx: sa.Connection, recording_ids: Sequence[RecordingId]) -> None:
        """Make these recordings' jobs part of `tx`: they exist if, and only if, it commits. Safe to repeat."""

    def wake(self) -> None:
        """Say that a transaction with new work has committed, so that it starts now and not at the next sweep."""

    async def silent_s(self) -> float | None:
        """Return for how many seconds no worker of the deployment has shown itself: 0 beside one.

        None where this process cannot tell. Raises `StorageUnavailableError`.
        """

    async def run(
        self, handler: Handler, *, stop: asyncio.Event, grace_s: float, schedules: Sequence[Schedule] = ()
    ) -> None:
        """Run jobs and schedules until `stop`, then wait at most `grace_s` for running ones before they are cancelled.

        `handler` is called at most once at a time per recording. It settles its own failures; an exception out of it
        is logged and the row's own state decides what follows.
        """


def open_jobs(
    database: Database,
    *,
    concurrency: int,
    host_concurrency: int | None = None,
    global_concurrency: int | None = None,
) -> Jobs:
    """Return the engine that belongs to the database.

    `concurrency` bounds what this process runs at once, `host_concurrency` what it runs of one download host, and
    `global_concurrency` what all processes run together.
    """
    kind = MemoryJobs if database.is_sqlite else _postgres_jobs()
    return kind(
        database,
        concurrency=concurrency,
        host_concurrency=host_concurrency,
        global_concurrency=global_concurrency,
    )


def _postgres_jobs() -> type[PostgresJobs]:
    from receiver.jobs.postgres import PostgresJobs  # noqa: PLC0415  (brings 5 MB of driver that SQLite does without)

    return PostgresJobs


__all__ = ["Jobs", "MemoryJobs", "Schedule", "open_jobs"]
