"""Handlers of what is on record: a recording's history, and the log of all acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.record_bodies import ActsBody, HistoryBody
from receiver.operators import acts_query, recording_id

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call


async def history(call: Call) -> Response:
    """`GET /api/recordings/{id}/history`."""
    return answers.json(HistoryBody.of(await call.parts.catalogue.history(recording_id(call.request))))


async def acts(call: Call) -> Response:
    """`GET /api/audit-log`."""
    query = acts_query(call.request.query_params.multi_items())
    found = await call.parts.catalogue.acts(query.asked, limit=query.limit, cursor=query.cursor)
    return answers.json(ActsBody.of(found), answers.next_link(call.request, found.next_cursor))
