"""Handlers of `/api/deliveries`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.api import answers
from receiver.api.delivery_bodies import DeliveriesBody, DeliveryBody, ReplayBody
from receiver.operators import covers, deliveries_query, delivery_id
from receiver.records import Action
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
    delivery = await call.parts.catalogue.delivery(delivery_id(call.request))
    with_body = covers(call.token.role, Role.OPERATOR)
    if with_body:
        await call.parts.actions.note(Action.BODY_SHOWN, delivery.id, call.token)
    return answers.single(call.request, DeliveryBody.of(delivery, with_body=with_body))


async def replay(call: Call) -> Response:
    """`POST /api/deliveries/{id}/replay`."""
    return answers.json(ReplayBody.of(await call.parts.actions.replay(delivery_id(call.request), call.token)))
