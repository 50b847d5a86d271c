"""`receiver reindex`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from receiver.app.fixity import open_reindex
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import clean, print_fields, print_json
from receiver.cli.progress import counted_progress
from receiver.cli.signals import run_until_signal
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.records import ReindexTally
    from receiver.settings import Settings

_MOST_TOLD = 100


@click.command()
@click.option("--check", is_flag=True, help="Only compare; exit code 1 on any difference.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be added.")
@types.as_json
def reindex(*, check: bool, dry_run: bool, as_json: bool) -> None:
    """Rebuild the index from the manifests in the bucket; the platform is not asked.

    Needs a database with a schema (`receiver migrate`), which may be empty. Rows that are there stay as they are. May
    be run again at any time; killed, it goes on where it was. With --check or --dry-run nothing is written, so it can
    be run as a drill beside the service.

    Exit code 1 where bucket and index do not say the same, or an object or a manifest has not its other half.
    """
    settings = settings_for(Needs.BUCKET)
    code = run_until_signal(_run(settings, writes=not (check or dry_run), is_check=check, as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, *, writes: bool, is_check: bool, as_json: bool) -> int:
    told = 0

    def on_difference(what: str) -> None:
        nonlocal told
        told += 1
        if told <= _MOST_TOLD:
            click.echo(clean(what), err=True)

    with counted_progress() as say:

        def on_progress(tally: ReindexTally) -> None:
            say(f"{tally.manifests:,} manifests, {tally.added:,} added, {tally.differing:,} differ")

        async with open_reindex(
            settings, os_user(), writes=writes, on_difference=on_difference, on_progress=on_progress
        ) as reindexing:
            if await reindexing.run():
                click.echo("Went on with a run that was not ended.", err=True)
            tally = reindexing.tally
    if told > _MOST_TOLD:
        click.echo(f"… and {told - _MOST_TOLD} more", err=True)
    (print_json if as_json else print_fields)(asdict(tally))
    return 0 if tally.is_good and not (is_check and tally.added) else 1
