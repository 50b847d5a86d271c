"""One meeting and its recordings, as the index has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.errors import NotFoundError
from receiver.operators.query import meeting_query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from receiver.catalogue import Catalogue
    from receiver.records import MeetingId, Page, Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMeeting:
    """`newest` is the recording that was created last, whatever page of the recordings this is."""

    newest: Recording
    page: Page[Recording]


async def one_meeting(catalogue: Catalogue, meeting_id: MeetingId, pairs: Iterable[tuple[str, str]]) -> FoundMeeting:
    """Return a meeting with a page of its recordings, newest first; raises `NotFoundError`, `InvalidQueryError`.

    The index knows meetings by their recordings alone.
    """
    asked = meeting_query(meeting_id, pairs)
    first = await catalogue.page(asked.filters, sort=asked.sort, limit=1 if asked.cursor is not None else asked.limit)
    if not first.items:
        raise NotFoundError(f"there is no recording of a meeting {meeting_id}")
    page = first
    if asked.cursor is not None:
        page = await catalogue.page(asked.filters, sort=asked.sort, limit=asked.limit, cursor=asked.cursor)
    return FoundMeeting(newest=first.items[0], page=page)
