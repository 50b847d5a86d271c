"""One meeting and its recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.operators import meeting_id, one_meeting
from receiver.page.listing import Asked, refresh_s
from receiver.page.rendering import render

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.page.parts import Visit


async def show(visit: Visit) -> Response:
    """`GET /meetings/{id}`; takes the parameters of `GET /api/meetings/{id}`."""
    asked = Asked.of(visit.request)
    found = await one_meeting(visit.parts.catalogue, meeting_id(visit.request), asked.query())
    return render(
        visit.request,
        "meeting.html",
        visit=visit,
        asked=asked,
        newest=found.newest,
        found=found.page,
        columns=(),
        refresh_s=refresh_s(found.page.items),
    )
