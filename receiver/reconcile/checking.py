"""One meeting: what the API lists of it, what the catalogue knows, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiPausedError,
    ApiRefusedError,
    ApiUnavailableError,
    JobError,
    RecordingGoneError,
)
from receiver.reconcile.difference import compare
from receiver.reconcile.patience import RepeatedRequest
from receiver.records import RecordingFacts, Tally, Via

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta

    from receiver.catalogue import KnownMeetings
    from receiver.meetings import MeetingsApi
    from receiver.reconcile.difference import Difference
    from receiver.reconcile.patience import Patience
    from receiver.records import (
        KnownMeeting,
        KnownRecording,
        ListedMeeting,
        ListedRecording,
        Meeting,
        MeetingId,
        RecordingId,
    )

    Accept = Callable[[Sequence[RecordingFacts], Via], Awaitable[frozenset[RecordingId]]]

_log = logs.get("reconcile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`look_again_at` is set where a listed recording's webhook may be under way; then nothing is counted yet."""

    tally: Tally
    look_again_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Checks meetings, any number at once. `accept` stores recordings and their jobs and returns the new ones.

    A walk has a `began_at`: recordings that were found since then count as found, though they are known by now. They
    were stored when this meeting was checked before, which was not counted: it had a recent recording, or was cut off.
    """

    api: MeetingsApi
    known: KnownMeetings
    accept: Accept
    patience: Patience
    clock: Callable[[], datetime]
    via: Via
    began_at: datetime | None
    grace: timedelta

    async def check(self, meeting: ListedMeeting) -> Checked:
        """Hand what the catalogue lacks to `accept`; safe to repeat.

        Raises what says nothing of this meeting alone: credentials that are refused, an API that is away.
        """
        known = await self.known.meeting(meeting.meeting.id)
        listed = await self._listed(known)
        if listed is None:
            return Checked(tally=Tally(meetings=1, unreadable=1))
        elsewhere = await self._elsewhere(known, listed)
        difference = compare(known.recordings, listed, elsewhere=elsewhere, now=self.clock(), grace=self.grace)
        found = await self._taken(meeting, known, listed, difference)
        if (latest := self._latest_before(difference.recent)) is not None:
            return Checked(tally=Tally(), look_again_at=latest + self.grace)
        _report(meeting.meeting.id, difference)
        return Checked(
            tally=Tally(
                meetings=1,
                recordings=len(listed),
                found=found + sum(self._was_found(one) for one in known.recordings),
                reopened=difference.reopened,
                recent=len(difference.recent),
                gone=len(difference.gone),
                lost=len(difference.lost),
                changed=len(difference.changed),
            )
        )

    def _latest_before(self, recent: Sequence[ListedRecording]) -> datetime | None:
        """Return when the last of those that are older than the walk was made; the next walk sees to the others."""
        times = [one.vendor.created_at for one in recent if one.vendor.created_at is not None]
        return max((time for time in times if self.began_at is not None and time < self.began_at), default=None)

    def _was_found(self, one: KnownRecording) -> bool:
        return self.began_at is not None and one.first_seen_via is self.via and one.first_seen_at >= self.began_at

    async def _listed(self, known: KnownMeeting) -> tuple[ListedRecording, ...] | None:
        """Ask until there is an answer; None, with a line in the log, where this meeting's listing cannot be had."""
        meeting_id = known.meeting.id
        request = RepeatedRequest(self.patience)
        while True:
            try:
                listed = await self.api.recordings(meeting_id, newer_than_s=0)
            except (ApiPausedError, ApiUnavailableError) as e:
                if not await request.again(e):
                    return _unlisted(meeting_id, e)
            except RecordingGoneError as e:  # the API knows no such meeting: then it has no recordings
                self.patience.answered()
                is_named = self.via is Via.BACKFILL and not known.recordings
                return _unlisted(meeting_id, e) if is_named else ()
            except (ApiForbiddenError, ApiBadAnswerError, ApiRefusedError) as e:
                self.patience.answered()
                return _unlisted(meeting_id, e)
            else:
                self.patience.answered()
                return listed

    async def _elsewhere(self, known: KnownMeeting, listed: Sequence[ListedRecording]) -> list[KnownRecording]:
        """Return those listed that the catalogue has under another meeting."""
        rows = {one.id for one in known.recordings}
        strange = [one.id for one in listed if one.id not in rows]
        found = await self.known.recordings(strange) if strange else []
        # a webhook may have brought one of this meeting since that was read
        return [one for one in found if one.meeting_id != known.meeting.id]

    async def _taken(
        self,
        meeting: ListedMeeting,
        known: KnownMeeting,
        listed: Sequence[ListedRecording],
        difference: Difference,
    ) -> int:
        """Store what is lacking, was missing or is another meeting's; return how many of them the catalogue had not."""
        moved = {one.id for one in difference.moved}
        wanted = [*difference.lacking, *difference.missing, *(one for one in listed if one.id in moved)]
        if not wanted:
            return 0
        of_meeting = _best_meeting(meeting.meeting, known.meeting)
        # a delivery says more of the host than a listing, which has the id alone
        host = known.host if meeting.host.id in (None, known.host.id) else meeting.host
        new = await self.accept(
            [RecordingFacts(id=one.id, meeting=of_meeting, host=host, vendor=one.vendor) for one in wanted], self.via
        )
        new -= moved.union(one.id for one in difference.missing)
        for recording_id in sorted(new):
            _log.info("recording_found", recording_id=recording_id, meeting_id=meeting.meeting.id, via=self.via)
        return len(new)


def _best_meeting(listed: Meeting, known: Meeting) -> Meeting:
    """Fill what the listing does not say with what the catalogue knows."""
    return replace(
        listed,
        name=listed.name or known.name,
        start_date=listed.start_date or known.start_date,
        end_date=listed.end_date or known.end_date,
    )


def _unlisted(meeting_id: MeetingId, error: JobError) -> tuple[ListedRecording, ...] | None:
    _log.warning("meeting_unreadable", meeting_id=meeting_id, code=error.code, error=str(error))
    return None


def _report(meeting_id: MeetingId, difference: Difference) -> None:
    """Name each gap in the log, since a report that counts them names none."""
    for row in difference.lost:
        _log.warning("recording_lost", recording_id=row.id, meeting_id=meeting_id, state=row.state)
    for row in difference.moved:
        _log.warning("recording_moved", recording_id=row.id, meeting_id=meeting_id, from_meeting_id=row.meeting_id)
    for row in difference.changed:
        elsewhere = {} if row.meeting_id == meeting_id else {"archived_under": row.meeting_id}
        _log.warning("recording_changed", recording_id=row.id, meeting_id=meeting_id, **elsewhere)
    for row in difference.gone:
        if row not in difference.lost:
            _log.info("recording_gone", recording_id=row.id, meeting_id=meeting_id)
