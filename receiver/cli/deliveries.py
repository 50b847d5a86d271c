"""`receiver deliveries list|show`: the webhooks as they were stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from receiver.api.bodies import DeliveriesBody, DeliveryBody
from receiver.app import open_catalogue
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import settings_for
from receiver.cli.output import Column, print_fields, print_json, print_table
from receiver.figures import moment, size
from receiver.records import DeliveryId, DeliveryStatus
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.records import Delivery, Page
    from receiver.settings import Settings

_COLUMNS = (
    Column("ID", whole=True),
    Column("STATUS", whole=True),
    Column("RECEIVED", whole=True),
    Column("SIZE", right=True),
    Column("REJECTED", right=True),
    Column("RECORDINGS"),
)


@click.command("list")
@click.option("--status", type=click.Choice([s.value for s in DeliveryStatus]), help="Only deliveries that ended so.")
@types.limit
@types.cursor
@types.as_json
def list_(*, status: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List webhook deliveries, newest first."""
    wanted = DeliveryStatus(status) if status else None
    page = asyncio.run(_page(settings_for(Needs.DATABASE), wanted, limit, cursor))
    if as_json:
        print_json(plain(DeliveriesBody.of(page)))
        return
    print_table(_COLUMNS, [_row(item) for item in page.items])
    if page.next_cursor is not None:
        click.echo(f"There are more: --cursor {page.next_cursor}", err=True)


async def _page(settings: Settings, status: DeliveryStatus | None, limit: int, cursor: str | None) -> Page[Delivery]:
    async with open_catalogue(settings) as catalogue:
        return await catalogue.deliveries(limit=limit, cursor=cursor, status=status)


def _row(delivery: Delivery) -> list[str]:
    return [
        delivery.id,
        delivery.status.value,
        moment(delivery.received_at),
        size(delivery.body_bytes),
        str(delivery.rejected_count),
        _named(delivery),
    ]


def _named(delivery: Delivery) -> str:
    others = delivery.recordings_count - len(delivery.recording_ids)
    return " ".join([*delivery.recording_ids, *([f"and {others} more"] if others > 0 else [])]) or "-"


@click.command()
@click.argument("delivery_id", metavar="ID")
@types.as_json
def show(*, delivery_id: str, as_json: bool) -> None:
    """Show the delivery ID, with its body as it came (URL signatures blanked)."""
    delivery = asyncio.run(_one(settings_for(Needs.DATABASE), DeliveryId(delivery_id)))
    body = plain(DeliveryBody.of(delivery, with_body=True))
    if as_json:
        print_json(body)
    else:
        print_fields(body)


async def _one(settings: Settings, delivery_id: DeliveryId) -> Delivery:
    async with open_catalogue(settings) as catalogue:
        return await catalogue.delivery(delivery_id)
