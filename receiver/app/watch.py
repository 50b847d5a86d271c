"""Does somebody do the work? What waits too long, or has no worker at all, is said in the log and in the metrics."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.catalogue import read_backlog
from receiver.errors import StorageUnavailableError

if TYPE_CHECKING:
    from receiver.jobs import Jobs
    from receiver.tables import Database

SILENT_S = 120.0
"""Workers show themselves every 20 s, and a database that fails over takes its time."""
LATE_S = 600.0
_LOOK_EVERY_S = 15.0
_REMIND_EVERY_S = 600.0
_log = logs.get("watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSight:
    """How many recordings are due, for how long the first of them, and for how long no worker showed itself.

    `oldest_waiting_s` is for how long a recording has been to be archived, due or not. `silent_s` is 0 beside a worker,
    and None where that cannot be told.
    """

    due: int
    oldest_due_s: float
    oldest_waiting_s: float = 0.0
    silent_s: float | None

    @property
    def has_no_worker(self) -> bool:
        """Tell whether work waits, or would wait, for a worker."""
        return self.silent_s is not None and self.silent_s > SILENT_S


async def look_at_work(database: Database, jobs: Jobs) -> WorkSight:
    """Look once; raises `StorageUnavailableError`."""
    now = datetime.now(UTC)
    backlog = await database.read(lambda tx: read_backlog(tx, now))
    return WorkSight(
        due=backlog.due,
        oldest_due_s=_ago_s(backlog.oldest_due_at, now),
        oldest_waiting_s=_ago_s(backlog.oldest_seen_at, now),
        silent_s=await jobs.silent_s(),
    )


def _ago_s(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


async def watch_work(database: Database, jobs: Jobs, stop: asyncio.Event) -> None:
    """Look now and then until `stop`, and log what is wrong: once, every ten minutes while it lasts, and its end."""
    said: str | None = None
    said_at = 0.0
    clock = asyncio.get_running_loop().time
    while not stop.is_set():
        with contextlib.suppress(StorageUnavailableError):  # whoever asks for readiness is told
            sight = await look_at_work(database, jobs)
            metrics.due_recordings.set(sight.due)
            metrics.oldest_due_seconds.set(sight.oldest_due_s)
            metrics.oldest_waiting_seconds.set(sight.oldest_waiting_s)
            metrics.worker_silent_seconds.set(sight.silent_s or 0.0)
            wrong = _wrong(sight)
            if wrong != said or (wrong is not None and clock() - said_at >= _REMIND_EVERY_S):
                _say(wrong, sight)
                said, said_at = wrong, clock()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await stop.wait()


def _wrong(sight: WorkSight) -> str | None:
    if sight.due and sight.has_no_worker:
        return "no_live_worker"
    return "work_waits_long" if sight.oldest_due_s > LATE_S else None


def _say(wrong: str | None, sight: WorkSight) -> None:
    fields = {"due": sight.due, "oldest_due_s": round(sight.oldest_due_s)}
    if wrong is None:
        _log.info("work_goes_on", **fields)
    else:
        _log.error(wrong, silent_s=None if sight.silent_s is None else round(sight.silent_s), **fields)
