"""The meetings listing, asked for by page and read entry by entry: a bad one does not stop the good ones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from receiver import logs
from receiver.meetings import fields
from receiver.meetings.answer import read_json, read_listing
from receiver.records import Host, ListedMeeting, Meeting, MeetingId, is_id

if TYPE_CHECKING:
    from datetime import datetime

_PAGE_MEETINGS = 100
"""The default of the vendor's page; its maximum is undocumented, and a client that asks for no more is safe."""
MOST_PAGES = 10_000
"""A million meetings; a listing that goes on is made up as it is asked for."""
MOST_STALE_PAGES = 3
"""Pages in a row that name no meeting which the ones before did not; meetings that are made meanwhile shift some."""

log = logs.get("meetings_api")


class MeetingTime(StrEnum):
    """Which of a meeting's times the API is asked to filter by."""

    CREATED_AT = "created_at"
    START_DATE = "start_date"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingsPage:
    """One page: `entries` is how many the API listed, `dropped` how many of them name no meeting."""

    meetings: tuple[ListedMeeting, ...]
    entries: int

    @property
    def dropped(self) -> int:
        return self.entries - len(self.meetings)


def page_query(by: MeetingTime, since: datetime, *, offset: int) -> str:
    """Write the query for the page at `offset` of the meetings with that time at or after `since`."""
    # epoch seconds or ISO 8601, as the page's own example has them
    moment = int(since.timestamp()) if by is MeetingTime.START_DATE else f"{since:%Y-%m-%dT%H:%M:%S}.000Z"
    return urlencode({"limit": _PAGE_MEETINGS, "offset": offset, f"{by}[gte]": moment})


def read_page(body: bytes) -> MeetingsPage:
    """Read an answer's body, or raise `ApiBadAnswerError` where it is no JSON array, or too large."""
    listed = read_listing(body, "the meetings listing")
    page = MeetingsPage(meetings=tuple(_meeting(entry) for entry in listed if _is_meeting(entry)), entries=len(listed))
    if page.dropped:
        log.warning("meetings_dropped", dropped=page.dropped, entries=page.entries, reason="_id is not an id")
    return page


def read_meeting(body: bytes, meeting_id: MeetingId) -> ListedMeeting | None:
    """Read the answer to a question for one meeting, whether that is it or a listing; None where it is not in there."""
    answer = read_json(body, "the meeting's listing")
    entries = answer if isinstance(answer, list) else [answer]
    return next((_meeting(entry) for entry in entries if _is_meeting(entry) and entry["_id"] == meeting_id), None)


def _is_meeting(entry: Any) -> bool:
    return isinstance(entry, dict) and is_id(entry.get("_id"))


def _meeting(entry: dict[str, Any]) -> ListedMeeting:
    return ListedMeeting(
        meeting=Meeting(
            id=MeetingId(entry["_id"]),
            name=fields.text(entry.get("name")),
            start_date=fields.time(entry.get("start_date")),
            end_date=fields.time(entry.get("end_date")),
        ),
        host=Host(id=fields.user_id(entry.get("host_id"))),
        created_at=fields.time(entry.get("created_at")),
        updated_at=fields.time(entry.get("updated_at")),
    )
