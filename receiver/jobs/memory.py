"""The embedded engine: pgqueuer's runtime on its in-memory adapter, fed from the rows.

Nothing durable lives here. At start, on `wake`, and every two seconds the due rows are read and those that no job
carries are enqueued, never more than a bounded number ahead of the work, so that memory does not follow the backlog,
and never those of one download host alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries

from receiver import logs
from receiver.catalogue import Due, due_recordings, read_due
from receiver.errors import StorageUnavailableError
from receiver.jobs.running import ENTRYPOINT, Engine, Running, priority
from receiver.jobs.schedules import Schedule, enqueue_schedules, register
from receiver.jobs.slots import Slots, headers
from receiver.records import RecordingId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import sqlalchemy as sa
    from pgqueuer.models import Job

    from receiver.tables import Database

_SWEEP_EVERY_S = 2.0
_AHEAD = 8
"""Jobs held per worker slot: enough that no slot waits for a sweep, few enough that memory stays flat."""
_REST = 10
"""How much longer than a sweep the time to the next is: what a long backlog costs stays a tenth of one core."""
_log = logs.get("jobs")


class MemoryJobs:
    """`receiver.jobs.Jobs` for one process on SQLite."""

    def __init__(
        self,
        database: Database,
        *,
        concurrency: int,
        host_concurrency: int | None = None,
        global_concurrency: int | None = None,
    ) -> None:
        self._database = database
        self._concurrency = min(concurrency, global_concurrency or concurrency)
        self._host_concurrency = host_concurrency
        self._most = self._concurrency * _AHEAD
        self._queries = InMemoryQueries(driver=InMemoryDriver())
        self._woken = asyncio.Event()
        self._carried: dict[RecordingId, str | None] = {}
        """Every recording that has a job, and its host."""
        self._is_running = False
        self._behind = False
        """Whether the last sweep left due rows behind: new ones then wait for the next, which may be costly."""

    def enqueue(self, tx: sa.Connection, recording_ids: Sequence[RecordingId]) -> None:
        """Do nothing: the rows of `tx` are what the next sweep reads."""

    def wake(self) -> None:
        """Sweep now."""
        if not self._behind:
            self._woken.set()

    async def silent_s(self) -> float | None:
        """Tell of this process alone, which is the only one that could work."""
        return 0.0 if self._is_running else None

    async def run(
        self,
        handler: Callable[[RecordingId], Awaitable[None]],
        *,
        stop: asyncio.Event,
        grace_s: float,
        schedules: Sequence[Schedule] = (),
    ) -> None:
        """Run jobs until `stop`; see `receiver.jobs.Jobs.run`."""
        self._is_running = True
        slots = Slots(self._concurrency, per_host=self._host_concurrency, line=None)
        running = Running(slots)

        async def archive(job: Job) -> None:
            recording_id = RecordingId((job.payload or b"").decode())
            try:
                async with running.job(job):
                    await handler(recording_id)
            finally:
                del self._carried[recording_id]
                if len(self._carried) <= self._most // 2:
                    self._woken.set()

        engine = Engine(self._queries)
        engine.entrypoint(ENTRYPOINT)(archive)
        register(engine, running, schedules)
        await enqueue_schedules(self._queries, schedules)
        work = engine.run(batch_size=self._concurrency, dequeue_timeout=timedelta(seconds=30))
        await running.drive(engine, work, self._sweep_until_cancelled(), stop=stop, grace_s=grace_s)

    async def _sweep_until_cancelled(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._woken.clear()
            began = clock()
            try:
                await self._sweep()
            except StorageUnavailableError as e:
                _log.warning("sweep_failed", error=str(e))
            pause_s = max(_SWEEP_EVERY_S, (clock() - began) * _REST)
            # not `wait_for`: Python 3.11's loses a cancellation that comes together with the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    async def _sweep(self) -> None:
        """Enqueue due rows that no job carries, the longest due first, up to the bounds."""
        # the engine notes every job's history in lists that only grow
        await self._queries.clear_queue_log()
        await self._queries.clear_statistics_log()
        room = self._most - len(self._carried)
        if room <= 0:
            return
        per_host = self._most * 3 // 4
        due = due_recordings(datetime.now(UTC), per_host=per_host).limit(self._most)
        found = await self._database.read(lambda tx: read_due(tx, due))
        held = Counter(self._carried.values())
        new: list[Due] = []
        for one in found:
            if len(new) < room and one.id not in self._carried and held[one.host] < per_host:
                held[one.host] += 1
                new.append(one)
        self._behind = len(new) == room or max(held.values(), default=0) >= per_host
        if new:
            self._carried.update({one.id: one.host for one in new})
            await self._queries.enqueue(
                [ENTRYPOINT] * len(new),
                [one.id.encode() for one in new],
                [priority(one.rank) for one in new],
                headers=[headers(one.host) for one in new],
            )
