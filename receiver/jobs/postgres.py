"""The engine across machines: pgqueuer on PostgreSQL, its jobs enqueued in the very transaction of their rows.

pgqueuer brings SKIP LOCKED claims, wake-up by NOTIFY, heartbeats, and a dead worker's job handed out again. What is
added here is patience (a database that is away for a while is waited for, running transfers go on meanwhile) and the
sweep, which enqueues due rows that no job carries.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.ports.repository import EntrypointExecutionParameter

from receiver import logs
from receiver.catalogue import Due, due_recordings, read_due
from receiver.errors import StorageUnavailableError
from receiver.jobs.driver import PatientDriver
from receiver.jobs.running import ENTRYPOINT, Engine, Running, priority
from receiver.jobs.schedules import Schedule, enqueue_schedules, entrypoint_of, register
from receiver.jobs.slots import Slots, headers
from receiver.records import RecordingId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from pgqueuer.models import Job

    from receiver.tables import Database

_SWEEP_EVERY_S = 3.0
_SWEEP_LIMIT = 1000
_SWEEP_LOCK = 7263548211
_POLL_EVERY = timedelta(seconds=4)
"""How often the queue is looked at when no NOTIFY came; also how long work waits while the listener reconnects."""
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""A job whose worker was silent for so long is handed out again; workers beat at half of it."""
_log = logs.get("jobs")


_PULSE = "pulse"
_PULSE_EVERY = timedelta(seconds=20)


@dataclass
class SlotEngine(Engine):
    """It goes on looking while a job waits for its host, or a slow host would keep others' jobs from being found."""

    slots: Slots = field(kw_only=True)

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Yield ready jobs, as pgqueuer's own does: recordings while there are free slots, and what needs no slot."""
        every = {
            name: EntrypointExecutionParameter(concurrency_limit=executor.parameters.concurrency_limit)
            for name, executor in self.entrypoint_registry.items()
        }
        slotless = {name: limit for name, limit in every.items() if name != ENTRYPOINT}
        while (entrypoints := every if self.slots.free else slotless) and not self.shutdown.is_set():
            jobs = await self.queries.dequeue(
                batch_size=min(batch_size, self.slots.free or 1),
                entrypoints=entrypoints,
                queue_manager_id=self.queue_manager_id,
                global_concurrency_limit=global_concurrency_limit,
                heartbeat_timeout=heartbeat_timeout,
            )
            if not jobs:
                return
            for job in jobs:
                yield job
            await asyncio.sleep(0)  # they take their slots
            await self.slots.rest(len(jobs))


class PostgresJobs:
    """`receiver.jobs.Jobs` for any number of processes that share one PostgreSQL."""

    def __init__(
        self,
        database: Database,
        *,
        concurrency: int,
        host_concurrency: int | None = None,
        global_concurrency: int | None = None,
    ) -> None:
        self._database = database
        self._concurrency = concurrency
        self._host_concurrency = host_concurrency
        self._global_concurrency = global_concurrency

    def enqueue(self, tx: sa.Connection, recording_ids: Sequence[RecordingId]) -> None:
        """Add the jobs to `tx`; a recording that has a job keeps that one."""
        if not recording_ids:
            return
        due = due_recordings(datetime.now(UTC), beside=recording_ids).subquery()
        query = sa.select(due.c.id, due.c.rank, due.c.source_host).where(due.c.id.in_(recording_ids))
        found = {one.id: one for one in read_due(tx, query)}
        _enqueue(tx, [found.get(recording_id, Due(recording_id, 1, None)) for recording_id in recording_ids])

    def wake(self) -> None:
        """Do nothing: the commit itself notifies every worker."""

    async def silent_s(self) -> float | None:
        """Tell by how late the workers' own schedule is, which any of them runs; None where none ever was."""
        late = sa.text(
            "SELECT extract(epoch FROM now() - CASE WHEN status = 'picked' THEN heartbeat ELSE execute_after END) "
            "FROM pgqueuer WHERE dedupe_key = :key AND status IN ('queued', 'picked')"
        )
        late_s = await self._database.read(lambda tx: tx.execute(late, {"key": entrypoint_of(_PULSE)}).scalar())
        return None if late_s is None else max(0.0, float(late_s))

    async def run(
        self,
        handler: Callable[[RecordingId], Awaitable[None]],
        *,
        stop: asyncio.Event,
        grace_s: float,
        schedules: Sequence[Schedule] = (),
    ) -> None:
        """Run jobs until `stop`; see `receiver.jobs.Jobs.run`."""
        pulse = Schedule(name=_PULSE, every=_PULSE_EVERY, first_after=timedelta(0), action=self._forget_history)
        schedules = (*schedules, pulse)
        url = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        # a job that waits holds one of the cluster's slots, so with a global limit none does
        line = 0 if self._global_concurrency else 1
        slots = Slots(self._concurrency, per_host=self._host_concurrency, line=line)
        running = Running(slots)

        async def archive(job: Job) -> None:
            async with running.job(job):
                await handler(RecordingId((job.payload or b"").decode()))

        async with PatientDriver(url, stop) as driver:
            engine = SlotEngine(Queries(driver), slots=slots)
            engine.entrypoint(ENTRYPOINT, concurrency_limit=self._global_concurrency or 0)(archive)
            register(engine, running, schedules)
            work = engine.run(
                batch_size=max(1, self._concurrency // 2),
                dequeue_timeout=_POLL_EVERY,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                log_aggregation_interval=timedelta(0),
            )
            sweep = self._sweep_until_cancelled(schedules)
            await running.drive(engine, work, sweep, stop=stop, grace_s=grace_s)

    async def _sweep_until_cancelled(self, schedules: Sequence[Schedule]) -> None:
        while True:
            try:
                await self._sweep(schedules)
            except StorageUnavailableError as e:
                _log.warning("sweep_failed", error=str(e))
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _sweep(self, schedules: Sequence[Schedule]) -> None:
        """Enqueue due rows and schedules that no job carries; one process of the cluster at a time does it."""

        def sweep(tx: sa.Connection) -> None:
            mine = tx.execute(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _SWEEP_LOCK})
            if not mine.scalar_one():
                return
            jobs = sa.table("pgqueuer", sa.column("dedupe_key", sa.Text), sa.column("status"))
            carried = sa.select(jobs.c.dedupe_key).where(sa.cast(jobs.c.status, sa.Text).in_(("queued", "picked")))
            names = [schedule.entrypoint for schedule in schedules]
            held = set(tx.execute(carried.where(jobs.c.dedupe_key.in_(names))).scalars())
            missing = [one for one in schedules if one.entrypoint not in held]
            _in(tx, lambda queries: enqueue_schedules(queries, missing))
            due = due_recordings(datetime.now(UTC)).subquery()
            has_job = carried.where(jobs.c.dedupe_key == due.c.id).exists()
            query = sa.select(due.c.id, due.c.rank, due.c.source_host).where(~has_job)
            _enqueue(tx, read_due(tx, query.order_by(due.c.rank).limit(_SWEEP_LIMIT)))

        await self._database.write(sweep)

    async def _forget_history(self) -> None:
        """Trim the table of all that jobs did; that this is done in time shows that a worker lives."""

        def forget(tx: sa.Connection) -> None:
            tx.execute(sa.text("DELETE FROM pgqueuer_log WHERE created < now() - interval '1 hour'"))

        await self._database.write(forget)


def _enqueue(tx: sa.Connection, due: Sequence[Due]) -> None:
    if due:
        _in(
            tx,
            lambda queries: queries.enqueue(
                [ENTRYPOINT] * len(due),
                [one.id.encode() for one in due],
                [priority(one.rank) for one in due],
                dedupe_key=[one.id for one in due],
                headers=[headers(one.host) for one in due],
                on_conflict="skip",
            ),
        )


def _in(tx: sa.Connection, ask: Callable[[Queries], Awaitable[Any]]) -> None:
    """Let the engine's own statements be part of `tx`, which runs in SQLAlchemy's bridge to its asyncio driver."""
    connection: Any = tx.connection.dbapi_connection
    connection.run_async(lambda driver: ask(Queries(AsyncpgDriver(driver))))
