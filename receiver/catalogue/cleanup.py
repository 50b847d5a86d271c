"""Which meetings a clean-up may look at, and what it notes before and after it deletes at the source."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.holds import held_among
from receiver.catalogue.rows import load_recordings
from receiver.records import Action, Actor, MeetingId, Recording, State
from receiver.tables import Database, recordings
from receiver.tables import audit_log as entries
from receiver.tables import unsealed_audit_log as unsealed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

_PAGE_MEETINGS = 100
_SCHEDULE = Actor("cleanup")


class CleanupIndex:
    """What is noted is on disk before the call returns; `by` is who has it done."""

    def __init__(self, database: Database, *, by: Actor = _SCHEDULE) -> None:
        self._database = database
        self._by = by

    async def meetings(self, *, archived_before: datetime) -> AsyncGenerator[MeetingId]:
        """Yield the meetings of which every recording was archived before then, and none is on hold.

        Erased recordings are passed over. A meeting that was cleaned is left out until it has a newer recording.
        """
        after = ""
        while page := await self._database.read(partial(_page, archived_before=archived_before, after=after)):
            for row in page:
                if all(at is None or at < row.newest_at for at in (row.cleaned_at, row.lately)):
                    yield MeetingId(row.meeting_id)
            after = page[-1].meeting_id

    async def recordings(self, meeting_id: MeetingId) -> list[Recording]:
        """Return a meeting's recordings."""
        return await self._database.read(partial(_recordings, meeting_id))

    async def begin(self, proven: Sequence[Recording], chosen: Sequence[Recording], *, now: datetime) -> bool:
        """Note that `chosen` are about to be deleted, if all of the meeting are still as `proven` and none is held."""
        meeting_id = proven[0].meeting.id

        def begin(tx: sa.Connection) -> bool:
            if held_among(tx, [one.id for one in proven]) or _recordings(meeting_id, tx) != list(proven):
                return False
            audit_log.append(tx, self._entry(Action.SOURCE_DELETION_BEGAN, meeting_id, now, recordings=_named(chosen)))
            return True

        return await self._database.write(begin)

    async def deleted(self, meeting_id: MeetingId, chosen: Sequence[Recording], *, now: datetime) -> None:
        """Note that the source has deleted them."""
        await self._append(self._entry(Action.SOURCE_DELETED, meeting_id, now, recordings=_named(chosen)))

    async def failed(self, meeting_id: MeetingId, chosen: Sequence[Recording], code: str, *, now: datetime) -> None:
        """Note that the source did not say that it deleted them; it may have."""
        await self._append(
            self._entry(Action.SOURCE_DELETION_FAILED, meeting_id, now, recordings=_named(chosen), reason=code)
        )

    async def gone(self, meeting_id: MeetingId, *, now: datetime) -> None:
        """Note that the source has nothing left of the meeting, by this clean-up or another hand."""
        await self._append(self._entry(Action.SOURCE_GONE, meeting_id, now))

    def _entry(self, action: Action, meeting_id: MeetingId, now: datetime, **details: Any) -> audit_log.AuditEntry:
        return audit_log.AuditEntry.of(self._by, action, meeting_id, at=now, **details)

    async def _append(self, entry: audit_log.AuditEntry) -> None:
        await self._database.write(lambda tx: audit_log.append(tx, entry))


def _page(tx: sa.Connection, *, archived_before: datetime, after: str) -> Sequence[sa.Row[Any, Any, Any, Any]]:
    """Return a page of meetings with the time of their newest recording here, and of their last clean-up."""
    c, at_rest = recordings.c, recordings.c.state.in_((State.ARCHIVED, State.ERASED))
    archived_at = sa.func.max(sa.case((c.state == State.ARCHIVED, c.archived_at)))
    old = (
        sa.select(c.meeting_id, archived_at.label("newest_at"))
        .where(c.meeting_id > after)
        .group_by(c.meeting_id)
        .having(
            sa.func.sum(sa.case((sa.and_(at_rest, c.hold.is_(sa.false())), 0), else_=1)) == 0,
            archived_at < archived_before,
        )
        .order_by(c.meeting_id)
        .limit(_PAGE_MEETINGS)
        .subquery()
    )
    cleaned_at, lately = (
        sa.select(sa.func.max(log.c.at))
        .where(log.c.subject == old.c.meeting_id, log.c.action.in_((Action.SOURCE_DELETED, Action.SOURCE_GONE)))
        .scalar_subquery()
        for log in (entries, unsealed)
    )
    page = sa.select(old.c.meeting_id, old.c.newest_at, cleaned_at.label("cleaned_at"), lately.label("lately"))
    return tx.execute(page.order_by(old.c.meeting_id)).all()


def _recordings(meeting_id: MeetingId, tx: sa.Connection) -> list[Recording]:
    of_meeting = sa.select(recordings).where(recordings.c.meeting_id == meeting_id).order_by(recordings.c.id)
    return load_recordings(tx, tx.execute(of_meeting).all())


def _named(some: Sequence[Recording]) -> list[dict[str, Any]]:
    return [{"id": one.id, "sha256": one.archive.sha256 if one.archive else None} for one in some]
