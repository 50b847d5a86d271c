"""`receiver backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from receiver.app import open_actions
from receiver.app.reconcile import open_reconciler
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import clean
from receiver.cli.progress import meetings_progress
from receiver.cli.signals import run_until_signal
from receiver.cli.tally import print_tally
from receiver.records import Action, MeetingId, is_id
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.settings import Settings

_SHOWN_CHARS = 80


class _Ids:
    """The ids of a file, one a line; `skipped` counts the lines that are none, each told on stderr."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.skipped = 0

    def __iter__(self) -> Iterator[MeetingId]:
        for number, line in enumerate(self._file, start=1):
            text = line.partition("#")[0].strip()
            if is_id(text):
                yield MeetingId(text)
            elif text:
                self.skipped += 1
                click.echo(
                    f"Error: line {number}: {clean(text[:_SHOWN_CHARS])} is no meeting's id "
                    "(1 to 64 of A-Z a-z 0-9 _ -); it is skipped",
                    err=True,
                )


@click.command()
@click.option(
    "--meeting-ids",
    "file",
    type=click.File("r", encoding="utf-8", errors="replace"),
    required=True,
    metavar="FILE",
    help="One meeting's id a line, # begins a comment; - is stdin.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be found.")
@types.as_json
def backfill(*, file: TextIO, dry_run: bool, as_json: bool) -> None:
    """Archive the recordings of meetings named by their ids: for teams on an administration key, and for old ones.

    Runs beside the service, which does the archiving. Safe to repeat: what the catalogue has is passed over.

    Exit code 1 where a line is no id, the API does not know a meeting, or a recording is lost or changed.
    """
    code = run_until_signal(_run(settings_for(Needs.DATABASE), file, dry_run=dry_run, as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, file: TextIO, *, dry_run: bool, as_json: bool) -> int:
    ids = _Ids(file)
    async with open_reconciler(settings) as reconciler:
        if not dry_run:
            async with open_actions(settings) as actions:
                await actions.note(Action.BACKFILL_BEGAN, "backfill", os_user())
        with meetings_progress() as on_progress:
            tally = await reconciler.backfill(ids, dry_run=dry_run, on_progress=on_progress)
    code = print_tally(tally, {"skipped": ids.skipped, "dry_run": dry_run}, as_json=as_json)
    return 1 if ids.skipped else code
