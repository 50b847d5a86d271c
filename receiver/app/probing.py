"""What the probes ask of the database: does it take a write, and what does the index count?"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from receiver import metrics
from receiver.api import ProbeParts
from receiver.app.configs import sqlite_path
from receiver.app.opening import utc_now
from receiver.app.shared_pause import DatabasePause
from receiver.catalogue import Catalogue, Events, FixityIndex, Notices, read_latest
from receiver.catalogue.audit_log import read_head
from receiver.errors import ReceiverError, StorageUnavailableError
from receiver.tables import write_probes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from receiver.catalogue import Latest
    from receiver.settings import Settings
    from receiver.tables import Database

_GOOD_FOR_S = 1.0


class Readiness:
    """Writes one small row: to BEGIN alone a full disk and a read-only file say yes.

    One write is under way at a time, and one that succeeded stands for `_GOOD_FOR_S`, so that probes wear no disk.
    """

    def __init__(self, database: Database, *, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._good_until_s = 0.0

    async def check(self) -> None:
        """Raise `StorageUnavailableError` where the database takes no write now."""
        async with self._lock:
            if self._monotonic() >= self._good_until_s:
                await self._write()
                self._good_until_s = self._monotonic() + _GOOD_FOR_S

    async def _write(self) -> None:
        row = self._database.insert(write_probes).values(name="ready", written_at=utc_now())
        newer = row.on_conflict_do_update(index_elements=["name"], set_={"written_at": row.excluded.written_at})
        await self._database.write(lambda tx: tx.execute(newer))


def probe_parts(settings: Settings, database: Database, stop: asyncio.Event) -> ProbeParts:
    """Return what the probes of a process ask, which says that it is not ready once `stop` is set."""
    readiness = Readiness(database, monotonic=asyncio.get_running_loop().time)
    catalogue, pause = Catalogue(database), DatabasePause(database, settings.api_url)
    fixity, events, notices = FixityIndex(database), Events(database), Notices(database)

    async def ready() -> None:
        if stop.is_set():
            raise ReceiverError("the service is stopping")
        await readiness.check()

    async def measure() -> None:
        await _measure_room(readiness, sqlite_path(settings))
        for state, count in (await catalogue.counts()).items():
            metrics.recordings.labels(state=state).set(count)
        metrics.webhook_missed.value = await catalogue.missed_webhooks()
        metrics.api_pause_seconds.set(await pause.left_s())
        _show_latest(await database.read(read_latest))
        head = await database.read(read_head)
        metrics.audit_log_head.value = 0.0 if head is None else float(head.entry_id)
        oldest = await fixity.oldest_proof_at()
        metrics.oldest_verified_seconds.set((utc_now() - oldest).total_seconds() if oldest is not None else 0.0)
        for found, count in (await fixity.unsound()).items():
            metrics.unsound_objects.labels(fixity=found).set(count)
        for event_state, count in (await events.counts())._asdict().items():
            metrics.events.labels(state=event_state).set(count)
        told_at = await notices.last()
        metrics.last_notice_seconds.set(0.0 if told_at is None else told_at.timestamp())

    return ProbeParts(ready=ready, measure=measure)


async def _measure_room(readiness: Readiness, path: Path | None) -> None:
    """Find out whether the database takes a write, and how much room its disk has where that is this host's."""
    try:
        await readiness.check()
    except StorageUnavailableError:
        metrics.database_writable.set(0)
    else:
        metrics.database_writable.set(1)
    if path is not None:
        disk = shutil.disk_usage(path.parent)
        metrics.disk_free_bytes.set(disk.free)
        metrics.disk_bytes.set(disk.total)


def _show_latest(latest: Latest) -> None:
    for series, at in (
        (metrics.last_delivery, latest.delivered_at),
        (metrics.last_archived, latest.archived_at),
        (metrics.last_reconciliation, latest.reconciled_at),
        (metrics.newest_missed, latest.missed_made_at),
        (metrics.last_verified, latest.verified_at),
    ):
        series.value = 0.0 if at is None else at.timestamp()
