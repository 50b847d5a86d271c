"""`receiver export`: every recording that matches, on stdout."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from receiver.api.export import written
from receiver.app import open_actions, open_catalogue
from receiver.catalogue import SORTS
from receiver.cli import filters
from receiver.cli.environment import os_user, settings_for
from receiver.operators import ExportFormat, export_query
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.operators import ExportQuery
    from receiver.settings import Settings


@click.command()
@click.option("--format", "kind", type=click.Choice([one.value for one in ExportFormat]), required=True)
@filters.options
@click.option("--sort", type=click.Choice(sorted(SORTS)), default="-created_at", show_default=True)
def export(*, kind: str, sort: str, **given: Any) -> None:
    """Write every recording that matches to stdout, as CSV or as lines of JSON; memory stays flat.

    Text that a spreadsheet would take for a formula has an apostrophe before it in the CSV.
    """
    asked = export_query([*filters.pairs(given), ("sort", sort), ("format", kind)])
    asyncio.run(_write(settings_for(Needs.DATABASE), asked))


async def _write(settings: Settings, asked: ExportQuery) -> None:
    async with open_actions(settings) as actions:
        await actions.note_export(asked, os_user())
    out = sys.stdout.buffer
    async with open_catalogue(settings) as catalogue:
        async for chunk in written(catalogue, asked):
            out.write(chunk)
    out.flush()
