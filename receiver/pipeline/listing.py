"""The API's word on a run's recording: its meeting, dates, participants and URL. What a delivery said is a hint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import (
    ApiBadAnswerError,
    ApiForbiddenError,
    ApiPausedError,
    ApiRefusedError,
    JobError,
    RecordingGoneError,
    RecordingNotListedYetError,
)
from receiver.records import Host, KnownMeeting, RecordingFacts, is_another_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import Runs
    from receiver.meetings import MeetingsApi
    from receiver.records import Claim, FreshUrl, ListedMeeting, ListedRecording, Recording

_ASKED_A_RUN = 8
"""Other meetings asked for in one run: whoever names a thousand for a recording cannot fill the API's rate."""
_NEXT_RUN_S = 1.0
_SAME_TIME = timedelta(seconds=1)
NOT_LISTED = (RecordingGoneError, RecordingNotListedYetError, ApiForbiddenError, ApiBadAnswerError, ApiRefusedError)
"""What says that a meeting is not the recording's, or does not show it."""
_log = logs.get("pipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listings:
    """Asks the API on behalf of runs. `grace_s` is how long a recording may stay out of its listing."""

    api: MeetingsApi
    runs: Runs
    grace_s: float
    clock: Callable[[], datetime]

    async def confirmed(self, claim: Claim) -> tuple[Claim, FreshUrl]:
        """Find the recording in the API's listings, make the row say what they say, and return its URL.

        A delivery may have named any meeting: where the row's does not list the recording, the others are asked for
        that were named for it. Raises what the row's meeting was answered, or `FenceLostError`.
        """
        known = KnownMeeting(meeting=claim.recording.meeting, host=claim.recording.host)
        try:
            listed = await self.api.listed(claim.recording.id, known.meeting.id)
            if is_another_file(listed.vendor, claim.recording.vendor):  # what was remembered may be from before it came
                listed = await self.api.listed(claim.recording.id, known.meeting.id, anew=True)
        except NOT_LISTED as e:
            known, listed = await self._under_another(claim, e)
        facts = _facts(claim.recording, known, await self._meeting(known), listed)
        if not claim.is_listed:
            _tell(claim.recording, facts)
        if not claim.is_listed or facts != _row_facts(claim.recording):
            claim = await self.runs.listed.confirm(claim, facts, now=self.clock())
        return claim, listed.url

    async def url(self, claim: Claim, rejected: FreshUrl | None) -> FreshUrl:
        """Return a download URL other than the one that was rejected."""
        recording = claim.recording
        try:
            return (await self.api.listed(recording.id, recording.meeting.id, rejected=rejected)).url
        except RecordingNotListedYetError as e:
            raise self._late(recording, e) from e

    async def _under_another(self, claim: Claim, error: JobError) -> tuple[KnownMeeting, ListedRecording]:
        named, is_more = await self.runs.listed.other_meetings(claim, most=_ASKED_A_RUN, now=self.clock())
        for one in named:
            try:
                return one, await self.api.listed(claim.recording.id, one.meeting.id)
            except NOT_LISTED as e:
                if isinstance(e, RecordingNotListedYetError):  # it may come late there, so this is not the end
                    error = e
        if named:
            await self.runs.listed.note_asked(claim, [one.meeting.id for one in named], now=self.clock())
        if is_more:
            raise RecordingNotListedYetError(
                "none of the meetings asked for lists this recording",
                "deliveries named others for it, which are asked for next; see who posted them",
                retry_after_s=_NEXT_RUN_S,
            )
        raise self._late(claim.recording, error) if isinstance(error, RecordingNotListedYetError) else error

    async def _meeting(self, known: KnownMeeting) -> ListedMeeting | None:
        """Ask for the meeting's own names and times; they are worth no run, so a delivery's stay without an answer."""
        try:
            return await self.api.meeting(known.meeting.id)
        except ApiPausedError:
            raise
        except JobError as e:
            _log.warning("meeting_unconfirmed", code=e.code, error=str(e))
            return None

    def _late(self, recording: Recording, error: RecordingNotListedYetError) -> JobError:
        """Say what follows from a listing without the recording, which may come late or never."""
        # files "are not available during meeting, only after" (the page's webhook section), and may list late
        age_s = (self.clock() - recording.first_seen_at).total_seconds()
        if age_s > self.grace_s:
            return RecordingGoneError(
                error.happened,
                f"it was first seen {age_s / 3600:.0f} h ago, and RECEIVER_LISTING_GRACE_S is over: "
                f"{RecordingGoneError.remedy}",
            )
        return RecordingNotListedYetError(
            error.happened,
            f"it counts as missing {self.grace_s / 3600:.0f} h after it was first seen (RECEIVER_LISTING_GRACE_S)",
            retry_after_s=min(max(age_s / 4, 1.0), 300.0),
        )


def _facts(
    recording: Recording, known: KnownMeeting, meeting: ListedMeeting | None, listed: ListedRecording
) -> RecordingFacts:
    """Put together what holds of the recording: the API's word, and a delivery's where it has none.

    Of the host the API says the id alone, and of the file's name nothing in a user's listing.
    """
    host = known.host
    if meeting is not None and meeting.host.id not in (None, host.id):
        host = Host(id=meeting.host.id)
    vendor = listed.vendor
    if vendor.file_uid is None and not is_another_file(vendor, recording.vendor):
        vendor = replace(vendor, file_uid=recording.vendor.file_uid)
    return RecordingFacts(
        id=recording.id,
        meeting=known.meeting if meeting is None else meeting.meeting,
        host=host,
        vendor=replace(vendor, created_at=vendor.created_at or recording.first_seen_at),
    )


def _row_facts(recording: Recording) -> RecordingFacts:
    return RecordingFacts(id=recording.id, meeting=recording.meeting, host=recording.host, vendor=recording.vendor)


def _tell(recording: Recording, facts: RecordingFacts) -> None:
    """Log where a delivery was wrong: somebody may have forged it."""
    wrong: list[str] = []
    if facts.meeting.id != recording.meeting.id:
        wrong.append("meeting_id")
    said, true = recording.vendor, facts.vendor
    is_dated = said.created_at != recording.first_seen_at  # or no delivery named a time
    if is_dated and said.created_at and true.created_at and abs(said.created_at - true.created_at) >= _SAME_TIME:
        wrong.append("created_at")
    if said.participant_ids and set(said.participant_ids) != set(true.participant_ids):
        wrong.append("participants_ids")
    if wrong:
        _log.warning("delivery_contradicted", listed_under=facts.meeting.id, fields=wrong)
