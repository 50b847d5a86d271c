"""pgqueuer's queue manager, taking no more jobs than this process has places for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.qm import QueueManager

from receiver.jobs.running import ENTRYPOINT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import timedelta

    from pgqueuer.models import Job

    from receiver.jobs.places import Places


@dataclass
class PlacesQueueManager(QueueManager):
    """It goes on looking while a job waits for its host, or a slow host would keep others' jobs from being found."""

    places: Places = field(kw_only=True)

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Yield ready jobs, as pgqueuer's own does: recordings while there are free places, and what needs no place."""
        every = {
            name: EntrypointExecutionParameter(concurrency_limit=executor.parameters.concurrency_limit)
            for name, executor in self.entrypoint_registry.items()
        }
        placeless = {name: limit for name, limit in every.items() if name != ENTRYPOINT}
        while (entrypoints := every if self.places.free else placeless) and not self.shutdown.is_set():
            jobs = await self.queries.dequeue(
                batch_size=min(batch_size, self.places.free or 1),
                entrypoints=entrypoints,
                queue_manager_id=self.queue_manager_id,
                global_concurrency_limit=global_concurrency_limit,
                heartbeat_timeout=heartbeat_timeout,
            )
            if not jobs:
                return
            for job in jobs:
                yield job
            await asyncio.sleep(0)  # they take their places
            await self.places.rest(len(jobs))
