"""`receiver history`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from receiver.api.record_bodies import HistoryBody
from receiver.app import open_catalogue
from receiver.cli import types
from receiver.cli.bodies import plain
from receiver.cli.environment import settings_for
from receiver.cli.output import Column, print_json, print_table
from receiver.figures import moment
from receiver.records import ABOUT, RecordingId
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.catalogue import History
    from receiver.records import LoggedAct
    from receiver.settings import Settings

COLUMNS = (Column("WHEN", whole=True), Column("WHO"), Column("WHAT"), Column("REASON"), Column("OUTCOME"))


@click.command()
@click.argument("recording_id", metavar="ID")
@types.as_json
def history(*, recording_id: str, as_json: bool) -> None:
    """Show what is on record of the recording ID, from first sight on.

    Who did, saw or fetched what of it, which runs failed, and what became of it.
    """
    found = asyncio.run(_load(settings_for(Needs.DATABASE), RecordingId(recording_id)))
    if as_json:
        print_json(plain(HistoryBody.of(found)))
        return
    print_table(COLUMNS, [row(event) for event in found.events])
    if found.is_cut:
        click.echo(f"There are older ones: receiver audit-log --recording-id {recording_id}", err=True)


async def _load(settings: Settings, recording_id: RecordingId) -> History:
    async with open_catalogue(settings) as catalogue:
        return await catalogue.history(recording_id)


def row(act: LoggedAct) -> list[str]:
    """Return an act's cells under `COLUMNS`."""
    who = f"{act.actor} ({act.role})" if act.role else act.actor
    what = ABOUT.get(act.action, act.action.replace("_", " "))
    return [moment(act.at), who, what, act.reason or "-", act.outcome or "-"]
