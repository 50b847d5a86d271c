"""One run of retention: what is due is marked, lies there for the days of grace, and is erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from receiver import logs
from receiver.records import Actor, RetentionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from receiver.catalogue import RetentionIndex
    from receiver.records import RecordingId, RetentionPeriod, Ripe

SCHEDULE = Actor("retention")
_AT_ONCE = 50
_log = logs.get("retention")


class Erases(Protocol):
    """What erases recordings, all but those that are held, and puts it on record; safe to repeat."""

    async def erase(self, ids: Sequence[RecordingId], *, by: Actor, reason: str) -> object:
        """Erase; raises `JobError` where the store is away, `StorageUnavailableError` where the database is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """`period` is None where nothing expires. Safe to repeat, and to run beside another.

    Without an `erasure` it can be looked at, and not be run.
    """

    index: RetentionIndex
    erasure: Erases | None
    period: RetentionPeriod | None
    clock: Callable[[], datetime]

    async def run(self, *, by: Actor = SCHEDULE) -> RetentionReport:
        """Mark what is due, and erase what was marked longer ago than the grace and is not held.

        What is not due any more loses its mark, so that switching it on again never erases the same night. What cannot
        be erased is left for the next run; raises as `Erases` does.
        """
        assert self.erasure is not None  # noqa: S101
        now, period = self.clock(), self.period
        await self.index.mark(period, by=by, now=now)
        if period is None:
            return RetentionReport()
        erased = erased_bytes = 0
        after: Ripe | None = None
        while ripe := await self.index.ripe(period, now=now, after=after, most=_AT_ONCE):
            after, ids = ripe[-1], [one.id for one in ripe]
            await self.erasure.erase(ids, by=by, reason=f"kept for {period.days.days} days")
            gone = set(await self.index.erased(ids))
            erased += len(gone)
            erased_bytes += sum(one.size_bytes for one in ripe if one.id in gone)
        report = await self._report(period, now, erased=erased, erased_bytes=erased_bytes)
        if report.due:
            _log.info("retention_ran", due=report.due, held=report.held, erased=erased, kept=report.kept)
        return report

    async def look(self) -> RetentionReport:
        """Return what a run would do now; nothing is changed."""
        now, period = self.clock(), self.period
        if period is None:
            return RetentionReport()
        return await self._report(period, now)

    async def _report(
        self, period: RetentionPeriod, now: datetime, *, erased: int | None = None, erased_bytes: int = 0
    ) -> RetentionReport:
        held, held_bytes = await self.index.held(period, now=now)
        groups = await self.index.groups(period, now=now)
        free, free_bytes = sum(one.recordings for one in groups), sum(one.bytes for one in groups)
        if erased is None:  # it would be, of what is there still
            ripe = [one for one in groups if one.erased_from <= now]
            erased, erased_bytes = sum(one.recordings for one in ripe), sum(one.bytes for one in ripe)
            free, free_bytes = free - erased, free_bytes - erased_bytes
        return RetentionReport(
            due=held + free + erased,
            held=held,
            erased=erased,
            kept=free,
            due_bytes=held_bytes + free_bytes + erased_bytes,
            erased_bytes=erased_bytes,
            groups=tuple(groups),
        )
