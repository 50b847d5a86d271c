"""What a reconciliation compares and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import MeetingId, RecordingId, State, Via
    from receiver.records.recordings import Host, Meeting


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecording:
    """What the catalogue knows of a recording, as far as a listing can disagree with it."""

    id: RecordingId
    meeting_id: MeetingId
    state: State
    file_uid: str | None
    updated_at: datetime | None
    first_seen_via: Via
    first_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMeeting:
    """What the catalogue knows of a meeting; `meeting` and `host` as the recording says that was seen last."""

    meeting: Meeting
    host: Host
    recordings: tuple[KnownRecording, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a reconciliation saw. Each count but the first two is of something that an operator may want to know of.

    `found` were listed and not in the catalogue; `reopened` were given up and are listed (again); `recent` are listed
    and so new that their webhook may be under way. `gone` are in the catalogue, archived, with work to do or given up
    as missing, and not listed (any more); `lost` are those of them that are not archived. `changed` were archived, and
    the source has another file or a newer one since, or lists them under another meeting. `unreadable` are meetings
    whose recordings could not be listed, and entries of listings that name no meeting.
    """

    meetings: int = 0
    recordings: int = 0
    found: int = 0
    reopened: int = 0
    recent: int = 0
    gone: int = 0
    lost: int = 0
    changed: int = 0
    unreadable: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the sum of each count."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in Tally.__slots__})

    @property
    def is_good(self) -> bool:
        """Tell whether nothing is left that somebody must look at."""
        return not (self.lost or self.changed or self.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One reconciliation over the meetings since `since`, held by the process that drew `holder`.

    `name` tells it from walks over other windows. A walk that `is_resumed` was begun by a process that is gone, and its
    `tally` is of the meetings that this one had done.
    """

    name: str
    holder: str
    since: datetime
    began_at: datetime
    tally: Tally
    is_resumed: bool
