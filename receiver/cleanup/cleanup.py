"""One clean-up: each meeting is proven here, listed there, noted, and only then deleted there."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver import logs, metrics
from receiver.cleanup.reasons import BAD, Kept, of_listing, of_object
from receiver.errors import ApiBadAnswerError, ApiForbiddenError, ApiRefusedError, JobError, RecordingGoneError
from receiver.records import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta

    from receiver.catalogue import CleanupIndex
    from receiver.meetings import MeetingsApi
    from receiver.records import MeetingId, ObjectHead, Recording, StoredFile

    Head = Callable[[StoredFile], Awaitable[ObjectHead | None]]

_log = logs.get("cleanup")


@dataclass(slots=True)
class CleanupReport:
    """What a clean-up looked at, in meetings. `error` ended it early: the others are for the next one.

    Those neither deleted nor kept had nothing left at the source. In a dry run `deleted` would have been.
    """

    meetings: int = 0
    deleted: int = 0
    kept: Counter[Kept] = field(default_factory=Counter)
    error: JobError | None = None

    @property
    def is_good(self) -> bool:
        """Tell whether nothing is left that somebody must look at."""
        return self.error is None and not BAD & self.kept.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleanup:
    """`head` says what the store has where a file was stored. Safe to repeat, and to run beside another."""

    api: MeetingsApi
    index: CleanupIndex
    head: Head
    clock: Callable[[], datetime]

    async def run(self, *, older_than: timedelta, dry_run: bool) -> CleanupReport:
        """Delete at the source the meetings whose newest recording was archived longer ago than `older_than`.

        An API or a store that refuses or is away ends it, with the error in the report.
        """
        report = CleanupReport()
        meetings = self.index.meetings(archived_before=self.clock() - older_than)
        async with aclosing(meetings):
            try:
                async for meeting_id in meetings:
                    report.meetings += 1
                    await self._clean(meeting_id, report, dry_run=dry_run)
            except JobError as e:
                report.error = e
        return report

    async def _clean(self, meeting_id: MeetingId, report: CleanupReport, *, dry_run: bool) -> None:
        rows = await self.index.recordings(meeting_id)
        found = await self._judged(meeting_id, rows)
        if isinstance(found, Kept):
            _keep(meeting_id, found, report)
        elif dry_run:
            report.deleted += bool(found)
        elif not found:
            await self.index.gone(meeting_id, now=self.clock())
        elif await self.index.begin(rows, found, now=self.clock()):
            await self._delete(meeting_id, found)
            report.deleted += 1
        else:
            _keep(meeting_id, Kept.INTERVENED, report)

    async def _judged(self, meeting_id: MeetingId, rows: Sequence[Recording]) -> Kept | list[Recording]:
        """Return the recordings that the source still has and need not keep, or why it must keep the meeting's."""
        for row in rows:
            if row.state is State.ERASED:
                continue
            if (reason := of_object(row, await self.head(row.archive) if row.archive else None)) is not None:
                return reason
        try:
            listed = await self.api.all_recordings(meeting_id)
        except RecordingGoneError:
            return Kept.UNKNOWN_MEETING
        except (ApiForbiddenError, ApiBadAnswerError, ApiRefusedError):
            return Kept.UNREADABLE
        return of_listing(rows, listed)

    async def _delete(self, meeting_id: MeetingId, chosen: Sequence[Recording]) -> None:
        try:
            await self.api.delete_recordings(meeting_id)
        except RecordingGoneError:
            pass  # it went by itself
        except JobError as e:
            await self.index.failed(meeting_id, chosen, e.code, now=self.clock())
            raise
        await self.index.deleted(meeting_id, chosen, now=self.clock())
        metrics.source_deletions.inc(len(chosen))
        _log.info("source_deleted", meeting_id=meeting_id, recordings=len(chosen))


def _keep(meeting_id: MeetingId, reason: Kept, report: CleanupReport) -> None:
    report.kept[reason] += 1
    _log.warning("source_kept", meeting_id=meeting_id, reason=reason)
