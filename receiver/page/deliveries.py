"""Deliveries: every stored POST, and what of it could not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.errors import InvalidQueryError
from receiver.operators import deliveries_query, delivery_id
from receiver.page.listing import Asked
from receiver.page.rendering import redirect, render
from receiver.records import Action, DeliveryStatus

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.page.parts import Visit
    from receiver.records import Delivery, Page

_MOST_BODY_BYTES = 65_536
"""As much of a body as is shown; the API has the whole."""


async def listing(visit: Visit) -> Response:
    """`GET /deliveries`; takes the parameters of `GET /api/deliveries`."""
    asked = Asked.of(visit.request)
    found: Page[Delivery] | None = None
    refusal = None
    try:
        query = deliveries_query(asked.query())
        found = await visit.parts.catalogue.deliveries(limit=query.limit, cursor=query.cursor, status=query.status)
    except InvalidQueryError as e:
        refusal = str(e)
    return render(
        visit.request,
        "deliveries.html",
        status=400 if refusal else 200,
        visit=visit,
        asked=asked,
        found=found,
        refusal=refusal,
        tabs=asked.tabs("status", ((status, None) for status in DeliveryStatus), None),
    )


async def show(visit: Visit) -> Response:
    """`GET /deliveries/{id}`; the body, which names people, is for operators and above."""
    delivery = await visit.parts.catalogue.delivery(delivery_id(visit.request))
    body = delivery.body[:_MOST_BODY_BYTES].decode("utf-8", "replace") if delivery.body and visit.may_act else None
    if body is not None:
        await visit.parts.actions.note(Action.BODY_SHOWN, delivery.id, visit.token)
    is_cut = delivery.body is not None and len(delivery.body) > _MOST_BODY_BYTES
    return render(visit.request, "delivery.html", visit=visit, delivery=delivery, body=body, is_cut=is_cut)


async def replay(visit: Visit) -> Response:
    """`POST /deliveries/{id}/replay`."""
    replayed = await visit.parts.actions.replay(delivery_id(visit.request), visit.token)
    return redirect(f"/deliveries/{replayed.accepted.delivery_id}")
