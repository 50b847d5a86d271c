"""Handler of `/api/meetings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.bodies import MeetingRecordingsBody
from receiver.operators import meeting_id, one_meeting

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call


async def show(call: Call) -> Response:
    """`GET /api/meetings/{id}`: the meeting as its newest recording has it, and its recordings."""
    asked = call.request.query_params.multi_items()
    found = await one_meeting(call.parts.catalogue, meeting_id(call.request), asked)
    more = answers.next_link(call.request, found.page.next_cursor)
    return answers.single(call.request, MeetingRecordingsBody.found(found), more)
