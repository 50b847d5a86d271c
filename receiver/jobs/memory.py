"""The embedded engine: pgqueuer's runtime on its in-memory adapter, fed from the rows.

Nothing durable lives here. At start, on `wake`, and every two seconds the due rows are read and those that no job
carries are enqueued, never more than a bounded number ahead of the work, so that memory does not follow the backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pgqueuer import PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries

from receiver import logs
from receiver.errors import StorageUnavailableError
from receiver.jobs.due import ENTRYPOINT, due_recordings, priority
from receiver.jobs.running import Running
from receiver.records import RecordingId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pgqueuer.models import Job
    from sqlalchemy.ext.asyncio import AsyncConnection

    from receiver.tables import Database

_SWEEP_EVERY_S = 2.0
_AHEAD = 8
"""Jobs held per worker slot: enough that no slot waits for a sweep, few enough that memory stays flat."""
_log = logs.get("jobs")


class MemoryJobs:
    """`receiver.jobs.Jobs` for one process on SQLite."""

    def __init__(self, database: Database, *, concurrency: int) -> None:
        self._database = database
        self._concurrency = concurrency
        self._queries = InMemoryQueries(driver=InMemoryDriver())
        self._woken = asyncio.Event()
        self._carried: set[RecordingId] = set()
        self._behind = False
        """Whether the last sweep left due rows behind; the next then waits until half of what it took is done."""

    async def enqueue(self, tx: AsyncConnection, recording_ids: Sequence[RecordingId]) -> None:
        """Do nothing: the rows of `tx` are what the next sweep reads."""

    def wake(self) -> None:
        """Sweep now."""
        self._woken.set()

    async def run(
        self, handler: Callable[[RecordingId], Awaitable[None]], *, stop: asyncio.Event, grace_s: float
    ) -> None:
        """Run jobs until `stop`; see `receiver.jobs.Jobs.run`."""
        engine = PgQueuer(connection=self._queries.driver, queries=self._queries)
        running = Running()

        async def archive(job: Job) -> None:
            recording_id = RecordingId((job.payload or b"").decode())
            try:
                with running.job():
                    await handler(recording_id)
            finally:
                self._carried.discard(recording_id)
                if len(self._carried) <= self._concurrency * _AHEAD // 2:
                    self._woken.set()

        engine.entrypoint(ENTRYPOINT, concurrency_limit=self._concurrency)(archive)
        work = engine.qm.run(batch_size=self._concurrency, dequeue_timeout=timedelta(seconds=30))
        await running.drive(engine, work, self._sweep_until_cancelled(), stop=stop, grace_s=grace_s)

    async def _sweep_until_cancelled(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._sweep()
            except StorageUnavailableError as e:
                _log.warning("sweep_failed", error=str(e))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _SWEEP_EVERY_S)

    async def _sweep(self) -> None:
        """Enqueue due rows that no job carries, the longest due first, up to the bound."""
        # the engine notes every job's history in lists that only grow
        await self._queries.clear_queue_log()
        await self._queries.clear_statistics_log()
        most = self._concurrency * _AHEAD
        room = most - len(self._carried)
        if room <= 0 or (self._behind and room < most // 2):
            return
        due = due_recordings(datetime.now(UTC)).limit(room + len(self._carried))
        async with self._database.read() as tx:
            found = [(RecordingId(row.id), row.rank) for row in await tx.execute(due)]
        new = [(recording_id, rank) for recording_id, rank in found if recording_id not in self._carried][:room]
        self._behind = len(new) == room
        if new:
            self._carried.update(recording_id for recording_id, _ in new)
            await self._queries.enqueue(
                [ENTRYPOINT] * len(new),
                [recording_id.encode() for recording_id, _ in new],
                [priority(rank) for _, rank in new],
            )
