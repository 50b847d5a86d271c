"""The engine across machines: pgqueuer on PostgreSQL, its jobs enqueued in the very transaction of their rows.

pgqueuer brings SKIP LOCKED claims, wake-up by NOTIFY, heartbeats, and a dead worker's job handed out again. What is
added here is patience (a database that is away for a while is waited for, running transfers go on meanwhile) and the
sweep, which enqueues due rows that no job carries.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from receiver import logs
from receiver.errors import StorageUnavailableError
from receiver.jobs.driver import PatientDriver
from receiver.jobs.due import ENTRYPOINT, due_recordings, priority
from receiver.jobs.running import Running
from receiver.records import RecordingId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pgqueuer.models import Job
    from sqlalchemy.ext.asyncio import AsyncConnection

    from receiver.tables import Database

_SWEEP_EVERY_S = 2.0
_SWEEP_LIMIT = 1000
_SWEEP_LOCK = 7263548211
_POLL_EVERY = timedelta(seconds=2)
"""How often the queue is looked at when no NOTIFY came; also how long work waits while the listener reconnects."""
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""A job whose worker was silent for so long is handed out again; workers beat at half of it."""
_log = logs.get("jobs")


class PostgresJobs:
    """`receiver.jobs.Jobs` for any number of processes that share one PostgreSQL."""

    def __init__(self, database: Database, *, concurrency: int) -> None:
        self._database = database
        self._concurrency = concurrency

    async def enqueue(self, tx: AsyncConnection, recording_ids: Sequence[RecordingId]) -> None:
        """Add the jobs to `tx`; a recording that has a job keeps that one."""
        if not recording_ids:
            return
        ranks = due_recordings(datetime.now(UTC), beside=recording_ids).subquery()
        query = sa.select(ranks.c.id, ranks.c.rank).where(ranks.c.id.in_(recording_ids))
        found = {row.id: row.rank for row in await tx.execute(query)}
        await _enqueue(tx, [(recording_id, found.get(recording_id, 1)) for recording_id in recording_ids])

    def wake(self) -> None:
        """Do nothing: the commit itself notifies every worker."""

    async def run(
        self, handler: Callable[[RecordingId], Awaitable[None]], *, stop: asyncio.Event, grace_s: float
    ) -> None:
        """Run jobs until `stop`; see `receiver.jobs.Jobs.run`."""
        url = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        running = Running()
        slots = asyncio.Semaphore(self._concurrency)

        async def archive(job: Job) -> None:
            with running.job():
                async with slots:
                    await handler(RecordingId((job.payload or b"").decode()))

        async with PatientDriver(url, stop) as driver:
            engine = PgQueuer(connection=driver)
            engine.entrypoint(ENTRYPOINT)(archive)
            work, sweep = self._run_engine(engine), self._sweep_until_cancelled()
            await running.drive(engine, work, sweep, stop=stop, grace_s=grace_s)

    async def _run_engine(self, engine: PgQueuer) -> None:
        batch = max(1, self._concurrency // 2)
        await engine.qm.run(
            batch_size=batch,
            # what this process may hold; pgqueuer asks for at least two batches, the semaphore sees to the rest
            max_concurrent_tasks=max(self._concurrency, 2 * batch),
            dequeue_timeout=_POLL_EVERY,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            log_aggregation_interval=timedelta(0),
        )

    async def _sweep_until_cancelled(self) -> None:
        while True:
            try:
                await self._sweep()
            except StorageUnavailableError as e:
                _log.warning("sweep_failed", error=str(e))
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _sweep(self) -> None:
        """Enqueue due rows that no job carries; one process of the cluster at a time does it."""
        async with self._database.write() as tx:
            mine = await tx.execute(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _SWEEP_LOCK})
            if not mine.scalar_one():
                return
            due = due_recordings(datetime.now(UTC)).subquery()
            jobs = sa.table("pgqueuer", sa.column("dedupe_key", sa.Text), sa.column("status"))
            has_job = (
                sa.select(sa.literal(1))
                .where(jobs.c.dedupe_key == due.c.id, sa.cast(jobs.c.status, sa.Text).in_(("queued", "picked")))
                .exists()
            )
            query = sa.select(due.c.id, due.c.rank).where(~has_job).order_by(due.c.rank).limit(_SWEEP_LIMIT)
            found = [(RecordingId(row.id), row.rank) for row in await tx.execute(query)]
            await _enqueue(tx, found)
            # the engine notes every job's history in a table that only grows
            await tx.execute(sa.text("DELETE FROM pgqueuer_log WHERE created < now() - interval '1 day'"))


async def _enqueue(tx: AsyncConnection, ranked: Sequence[tuple[RecordingId, int]]) -> None:
    if not ranked:
        return
    raw = await tx.get_raw_connection()
    connection = raw.driver_connection
    assert connection is not None  # noqa: S101  (a checked-out connection is open)
    await Queries(AsyncpgDriver(connection)).enqueue(
        [ENTRYPOINT] * len(ranked),
        [recording_id.encode() for recording_id, _ in ranked],
        [priority(rank) for _, rank in ranked],
        dedupe_key=[recording_id for recording_id, _ in ranked],
        on_conflict="skip",
    )
