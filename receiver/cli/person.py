"""`receiver person`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from receiver.app.erasure import open_erasure
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, print_json, print_table
from receiver.cli.signals import run_until_signal
from receiver.operators import actor_of
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.records import KeptPlace
    from receiver.settings import Settings


def who(asked: str) -> int | str:
    """Read a user id or an e-mail; raises `click.UsageError` for what is neither."""
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        return int(asked)
    if "@" not in asked:
        raise click.UsageError(f"{asked!r} is neither a user id, a number, nor an e-mail")
    return asked


@click.command()
@click.argument("asked", metavar="ID-OR-EMAIL")
@types.as_json
def person(*, asked: str, as_json: bool) -> None:
    """Show all that is kept of a person, by user id or e-mail: to hand out, or before they are erased.

    Recordings name them as host, participant or attendee; deliveries in their bodies. The log of acts names nobody but
    those who acted. That it was asked for is on record, by a digest of the person.
    """
    code = run_until_signal(_run(settings_for(Needs.BUCKET), who(asked), as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, asked: int | str, *, as_json: bool) -> int:
    async with open_erasure(settings) as persons:
        found = await persons.shown(asked, by=actor_of(os_user()))
    if as_json:
        print_json([{"where": one.where, "id": one.id, "role": one.role, "says": one.says} for one in found])
        return 0
    columns = [Column("KEPT IN"), Column("ID", whole=True), Column("AS"), Column("WHAT")]
    print_table(columns, [[one.where, one.id, one.role, _told(one)] for one in found])
    return 0


def _told(kept: KeptPlace) -> str:
    return ", ".join(f"{name}: {value}" for name, value in kept.says.items() if value is not None)
