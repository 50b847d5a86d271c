"""Handlers of `/api/holds`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.hold_bodies import HoldBody, HoldsBody, NewHoldBody, ReasonBody
from receiver.api.reading import has_body, read_body
from receiver.operators import hold_id, holds_query

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call


async def page(call: Call) -> Response:
    """`GET /api/holds`."""
    query = holds_query(call.request.query_params.multi_items())
    found = await call.parts.catalogue.holds(query.asked, limit=query.limit, cursor=query.cursor)
    return answers.json(HoldsBody.of(found), answers.next_link(call.request, found.next_cursor))


async def add(call: Call) -> Response:
    """`POST /api/holds`."""
    asked = await read_body(call.request, NewHoldBody)
    hold = await call.parts.actions.add_hold(asked.scope, asked.value, asked.reason, call.token)
    return answers.json(HoldBody.of(hold))


async def release(call: Call) -> Response:
    """`DELETE /api/holds/{id}`, with a reason or without a body."""
    named = hold_id(call.request)
    reason = (await read_body(call.request, ReasonBody)).reason if has_body(call.request) else None
    return answers.json(HoldBody.of(await call.parts.actions.release_hold(named, reason, call.token)))
