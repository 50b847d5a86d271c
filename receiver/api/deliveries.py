"""Handlers of `/api/deliveries`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.access import covers
from receiver.api.bodies import DeliveriesBody, DeliveryBody
from receiver.api.query import deliveries_query
from receiver.settings import Role

if TYPE_CHECKING:
    from starlette.responses import Response

    from receiver.api.parts import Call


async def page(call: Call) -> Response:
    """`GET /api/deliveries`."""
    asked = deliveries_query(call.request.query_params.multi_items())
    found = await call.parts.catalogue.deliveries(limit=asked.limit, cursor=asked.cursor, status=asked.status)
    return answers.json(DeliveriesBody.of(found), answers.next_link(call.request, found.next_cursor))


async def show(call: Call) -> Response:
    """`GET /api/deliveries/{id}`; the body, which names people, is for operators and above."""
    delivery = await call.parts.catalogue.delivery(call.delivery_id)
    return answers.json(DeliveryBody.of(delivery, with_body=covers(call.token.role, Role.OPERATOR)))
