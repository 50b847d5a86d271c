"""`receiver deliveries list|show|replay`: the webhooks as they were stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from receiver.api.delivery_bodies import DeliveriesBody, DeliveryBody, ReplayBody
from receiver.app import open_actions, open_catalogue
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, clean, print_fields, print_json, print_table
from receiver.cli.paging import tell_more
from receiver.errors import NotFoundError, UnreadableError
from receiver.figures import moment, size
from receiver.records import Action, DeliveryId, DeliveryStatus
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from receiver.records import Delivery, Page, Replayed
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
@click.pass_context
def list_(ctx: click.Context, /, *, status: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List webhook deliveries, newest first."""
    wanted = DeliveryStatus(status) if status else None
    page = asyncio.run(_page(settings_for(Needs.DATABASE), wanted, limit, cursor))
    if as_json:
        print_json(plain(DeliveriesBody.of(page)))
        return
    print_table(_COLUMNS, [_row(item) for item in page.items])
    if page.next_cursor is not None:
        tell_more(ctx, page.next_cursor)


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
    """Show the delivery ID, with its body as it came (URL signatures blanked); that it was shown goes on record."""
    delivery = asyncio.run(_one(settings_for(Needs.DATABASE), DeliveryId(delivery_id)))
    body = plain(DeliveryBody.of(delivery, with_body=True))
    if as_json:
        print_json(body)
    else:
        print_fields(body)


async def _one(settings: Settings, delivery_id: DeliveryId) -> Delivery:
    async with open_catalogue(settings) as catalogue:
        delivery = await catalogue.delivery(delivery_id)
    async with open_actions(settings) as actions:
        await actions.note(Action.BODY_SHOWN, delivery.id, os_user())
    return delivery


@click.command()
@click.argument("delivery_ids", metavar="[ID...]", nargs=-1)
@click.option("--rejected", is_flag=True, help="All deliveries of which nothing could be used.")
@types.as_json
def replay(*, delivery_ids: tuple[str, ...], rejected: bool, as_json: bool) -> None:
    """Take stored deliveries in again: bodies are read by today's rules, and what is known already stays as it is.

    Without API credentials a replay brings no URLs: the signatures of those in kept bodies are blanked.

    Exit code 1 where a delivery is not there, or still nothing of it can be used.
    """
    if bool(delivery_ids) == rejected:
        raise click.UsageError("name deliveries by their ids, or give --rejected")
    ids = tuple(map(DeliveryId, delivery_ids))
    done, refused = asyncio.run(_replay(settings_for(Needs.DATABASE), ids, quiet=as_json))
    if as_json:
        bodies = [plain(ReplayBody.of(one)) for one in done]
        errors = [{"delivery_id": delivery_id, "error": error} for delivery_id, error in refused.items()]
        print_json({"replayed": bodies, "refused": errors})
    if refused:
        raise SystemExit(1)


async def _replay(
    settings: Settings, ids: Sequence[DeliveryId], *, quiet: bool
) -> tuple[list[Replayed], dict[DeliveryId, str]]:
    """Replay one after the other, each for itself, all that are rejected where none is named; tell of each."""
    done: list[Replayed] = []
    refused: dict[DeliveryId, str] = {}
    by = os_user()
    wanted = ids or [delivery_id async for delivery_id in _rejected(settings)]
    async with open_actions(settings) as actions:
        for delivery_id in wanted:
            try:
                replayed = await actions.replay(delivery_id, by)
            except (NotFoundError, UnreadableError) as e:
                refused[delivery_id] = str(e)
                click.echo(f"Error: {clean(delivery_id)}: {e}", err=True)
            else:
                done.append(replayed)
                if not quiet:
                    _tell(replayed)
    if done and done[-1].note is not None:
        click.echo(f"Note: {done[-1].note}", err=True)
    return done, refused


async def _rejected(settings: Settings) -> AsyncIterator[DeliveryId]:
    cursor = None
    async with open_catalogue(settings) as catalogue:
        while True:
            page = await catalogue.deliveries(limit=1000, cursor=cursor, status=DeliveryStatus.REJECTED)
            for delivery in page.items:
                yield delivery.id
            cursor = page.next_cursor
            if cursor is None:
                return


def _tell(replayed: Replayed) -> None:
    accepted = replayed.accepted
    rejected = f", {len(accepted.rejected)} errors" if accepted.rejected else ""
    click.echo(f"{accepted.delivery_id}  {len(accepted.recordings)} recordings{rejected}")
