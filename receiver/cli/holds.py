"""`receiver holds list|add|release`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from receiver.api.hold_bodies import HoldBody, HoldsBody
from receiver.app import open_actions, open_catalogue
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, print_fields, print_json, print_table
from receiver.errors import NotFoundError, WrongStateError
from receiver.figures import moment
from receiver.operators import holds_query
from receiver.records import HoldId, HoldScope
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.operators.query import StandingHoldsQuery
    from receiver.records import Hold, Page
    from receiver.settings import Settings

_COLUMNS = (
    Column("ID", whole=True, right=True),
    Column("SCOPE", whole=True),
    Column("VALUE"),
    Column("SINCE", whole=True),
    Column("WHO"),
    Column("REASON"),
)


def _scopes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each scope."""
    for scope, metavar in ((HoldScope.PERSON, "ID-OR-EMAIL"), (HoldScope.HOST, "ID"), (HoldScope.MEETING, "ID")):
        flag = "--person" if scope is HoldScope.PERSON else f"--{scope}-id"
        helped = f"All recordings of this {scope}, future ones too."
        command = click.option(flag, scope.value, metavar=metavar, help=helped)(command)
    return click.option("--recording-id", "recording", metavar="ID", help="This recording.")(command)


@click.command("list")
@click.option("--scope", type=click.Choice([scope.value for scope in HoldScope]), help="Only holds of this scope.")
@click.option("--value", metavar="VALUE", help="Only holds that name this id or e-mail.")
@click.option("--recording-id", metavar="ID", help="Only holds that cover this recording.")
@types.limit
@types.cursor
@types.as_json
def list_(*, as_json: bool, **given: str | int | None) -> None:
    """List the holds that stand, newest first."""
    asked = holds_query([(name, str(value)) for name, value in given.items() if value is not None])
    page = asyncio.run(_page(settings_for(Needs.DATABASE), asked))
    if as_json:
        print_json(plain(HoldsBody.of(page)))
        return
    print_table(_COLUMNS, [_row(hold) for hold in page.items])
    if page.next_cursor is not None:
        click.echo(f"There are more: --cursor {page.next_cursor}", err=True)


async def _page(settings: Settings, asked: StandingHoldsQuery) -> Page[Hold]:
    async with open_catalogue(settings) as catalogue:
        return await catalogue.holds(asked.asked, limit=asked.limit, cursor=asked.cursor)


def _row(hold: Hold) -> list[str]:
    return [str(hold.id), hold.scope.value, hold.value, moment(hold.at), hold.actor, hold.reason]


@click.command()
@_scopes
@click.option("--reason", required=True, help="Why; it stays on record, so let it name no person.")
@types.as_json
def add(*, reason: str, as_json: bool, **named: str | None) -> None:
    """Keep recordings from whatever deletes or replaces, until the hold is released.

    A hold of a meeting, a host or a person covers recordings to come. Several may cover one recording; each is released
    by itself. Exit code 1 where there is no such recording, or it was erased.
    """
    given = [(HoldScope(scope), value) for scope, value in named.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError("name one of --recording-id, --meeting-id, --host-id and --person")
    _told(asyncio.run(_add(settings_for(Needs.DATABASE), *given[0], reason)), as_json=as_json)


async def _add(settings: Settings, scope: HoldScope, value: str, reason: str) -> Hold | str:
    async with open_actions(settings) as actions:
        try:
            return await actions.add_hold(scope, value, reason, os_user())
        except (NotFoundError, WrongStateError) as e:
            return str(e)


@click.command()
@click.argument("hold_id", metavar="ID", type=click.IntRange(1))
@click.option("--reason", help="Why; it stays on record.")
@types.as_json
def release(*, hold_id: int, reason: str | None, as_json: bool) -> None:
    """Release the hold ID; what other holds cover stays held. Exit code 1 where there is no such hold."""
    _told(asyncio.run(_release(settings_for(Needs.DATABASE), HoldId(hold_id), reason)), as_json=as_json)


async def _release(settings: Settings, hold_id: HoldId, reason: str | None) -> Hold | str:
    async with open_actions(settings) as actions:
        try:
            return await actions.release_hold(hold_id, reason, os_user())
        except NotFoundError as e:
            return str(e)


def _told(done: Hold | str, *, as_json: bool) -> None:
    if isinstance(done, str):
        click.echo(f"Error: {done}", err=True)
        raise SystemExit(1)
    (print_json if as_json else print_fields)(plain(HoldBody.of(done)))
