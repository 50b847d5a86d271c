"""`receiver events list|replay`: what another program is told of recordings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from receiver.app.notices import open_events
from receiver.app.opening import utc_now
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, print_json, print_table
from receiver.errors import NotFoundError
from receiver.figures import moment
from receiver.operators import actor_of
from receiver.records import EventState
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.catalogue import EventCounts
    from receiver.records import Event
    from receiver.settings import Settings

_COLUMNS = (
    Column("ID", whole=True),
    Column("TYPE", whole=True),
    Column("RECORDING", whole=True),
    Column("AT", whole=True),
    Column("STATE", whole=True),
    Column("ATTEMPTS", right=True),
    Column("LAST ERROR"),
)


@click.command("list")
@click.option("--state", type=click.Choice([state.value for state in EventState]), help="Only events in this state.")
@types.limit
@types.as_json
def list_(*, state: str | None, limit: int, as_json: bool) -> None:
    """List events, newest first. One that was delivered or given up is kept for 30 days.

    An event is tried for three days; then it is `failed`, until it is replayed.
    """
    wanted = EventState(state) if state else None
    found, counts = asyncio.run(_page(settings_for(Needs.DATABASE), wanted, limit))
    if as_json:
        print_json({"items": [_body(event) for event in found], **counts._asdict()})
        return
    print_table(_COLUMNS, [_row(event) for event in found])
    click.echo(f"{counts.pending} to be sent, {counts.failed} given up", err=True)


async def _page(settings: Settings, state: EventState | None, most: int) -> tuple[list[Event], EventCounts]:
    async with open_events(settings) as events:
        return await events.page(state, most=most), await events.counts()


def _row(event: Event) -> list[str]:
    return [
        event.webhook_id,
        event.type.value,
        event.recording_id,
        moment(event.at),
        event.state.value,
        str(event.attempts),
        event.error or "-",
    ]


def _body(event: Event) -> dict[str, Any]:
    return {
        "id": event.webhook_id,
        "type": event.type,
        "recording_id": event.recording_id,
        "at": event.at.isoformat(),
        "state": event.state,
        "attempts": event.attempts,
        "next_attempt_at": event.next_attempt_at and event.next_attempt_at.isoformat(),
        "delivered_at": event.delivered_at and event.delivered_at.isoformat(),
        "error": event.error,
    }


@click.command()
@click.argument("event_ids", metavar="[ID...]", nargs=-1)
@click.option("--failed", is_flag=True, help="All that were given up.")
@types.as_json
def replay(*, event_ids: tuple[str, ...], failed: bool, as_json: bool) -> None:
    """Send events again, by their ids or all that were given up: with the body and the `webhook-id` that they had.

    A working service sends them. Exit code 1 where an event is not there; then none is sent.
    """
    if bool(event_ids) == failed:
        raise click.UsageError("name events by their ids, or give --failed")
    try:
        count = asyncio.run(_replay(settings_for(Needs.DATABASE), tuple(dict.fromkeys(event_ids))))
    except NotFoundError as e:
        click.echo(f"Error: {e}", err=True)
        raise SystemExit(1) from None
    if as_json:
        print_json({"replayed": count})
    else:
        click.echo(f"{count} to be sent again")


async def _replay(settings: Settings, ids: tuple[str, ...]) -> int:
    by = actor_of(os_user())
    async with open_events(settings) as events:
        if not ids:
            return await events.replay_failed(by=by, now=utc_now())
        await events.replay(ids, by=by, now=utc_now())
        return len(ids)
