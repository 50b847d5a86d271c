"""The holds that stand: what must not be deleted, by whose word and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from receiver.operators import hold_id, holds_query
from receiver.page.listing import Asked
from receiver.page.rendering import redirect, render
from receiver.records import MAX_REASON_CHARS, HoldScope, is_id

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.page.parts import Visit

_REFRESH_S = 15


async def listing(visit: Visit) -> Response:
    """`GET /holds`; takes the parameters of `GET /api/holds`."""
    asked = Asked.of(visit.request)
    query = holds_query(asked.query())
    found = await visit.parts.catalogue.holds(query.asked, limit=query.limit, cursor=query.cursor)
    return render(
        visit.request,
        "holds.html",
        visit=visit,
        asked=asked,
        found=found,
        scopes=[scope.value for scope in HoldScope],
        most_chars=MAX_REASON_CHARS,
        tabs=asked.tabs("scope", ((scope.value, None) for scope in HoldScope), None),
        refresh_s=_REFRESH_S,
    )


async def add(visit: Visit) -> Response:
    """`POST /holds`."""
    given = visit.form.get("scope", "")
    if given not in list(HoldScope):
        raise HTTPException(400, "the form is not one of this page's")
    scope, value = HoldScope(given), visit.form.get("value", "").strip()
    await visit.parts.actions.add_hold(scope, value, visit.form.get("reason", ""), visit.token)
    return redirect("/holds")


async def release(visit: Visit) -> Response:
    """`POST /holds/{id}/release`; back to the recording where the form stood."""
    await visit.parts.actions.release_hold(hold_id(visit.request), visit.form.get("reason", ""), visit.token)
    back = visit.form.get("recording_id", "")
    return redirect(f"/recordings/{back}" if is_id(back) else "/holds")
