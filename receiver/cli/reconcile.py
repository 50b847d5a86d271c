"""`receiver reconcile`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from receiver.app import open_actions
from receiver.app.configs import unlisted_meetings
from receiver.app.reconcile import open_reconciler, window_name
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.progress import meetings_progress
from receiver.cli.signals import run_until_signal
from receiver.cli.tally import print_tally
from receiver.records import Action
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.reconcile import Reconciler, Reconciliation
    from receiver.records import Tally
    from receiver.settings import Settings

    OnProgress = Callable[[Tally], None]


@click.command()
@click.option("--since", metavar="TIME", help="Meetings since then: 2026-01-31 or 30d.  [default: RECONCILE_WINDOW]")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be found.")
@types.as_json
@click.pass_context
def reconcile(context: click.Context, *, since: str | None, dry_run: bool, as_json: bool) -> None:
    """Compare what the API lists with the catalogue, and archive what the webhook did not bring.

    Looks at the user's meetings that were created, changed or began in the window (an administration key has no listing
    of meetings), and at those of the window that the catalogue knows. Runs beside the service, which does the
    archiving. Killed, it goes on where it was when it is run again with the same --since.

    Exit code 1 where a recording is gone before it was archived, an archived one has changed, or a listing could not
    be had; what was found is no failure.
    """
    settings = settings_for(Needs.DATABASE)
    begin = types.Moment().convert(since, None, context) if since else datetime.now(UTC) - settings.reconcile_window
    name = since or window_name(settings)
    code = run_until_signal(_run(settings, name, begin, dry_run=dry_run, as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, name: str, since: datetime, *, dry_run: bool, as_json: bool) -> int:
    async with open_reconciler(settings) as reconciler:
        with meetings_progress() as on_progress:
            if dry_run:
                report = await reconciler.look(since=since, on_progress=on_progress)
            else:
                async with open_actions(settings) as actions:
                    await actions.note(Action.RECONCILIATION_BEGAN, name, os_user())
                report = await _reconciled(reconciler, name, since, on_progress)
    told = unlisted_meetings(settings)
    if told is not None:
        seen, remedy = told
        click.echo(f"Warning: {seen}; {remedy}.", err=True)
    more = {
        "since": report.since.isoformat(),
        "resumed": report.is_resumed,
        "dry_run": dry_run,
        "lists_meetings": told is None,
    }
    return print_tally(report.tally, more, as_json=as_json)


async def _reconciled(reconciler: Reconciler, name: str, since: datetime, on_progress: OnProgress) -> Reconciliation:
    report = await reconciler.reconcile(name, since=since, wait=False, on_progress=on_progress)
    if report is None:
        click.echo("Another process is at this reconciliation, or was seconds ago; waiting for its end.", err=True)
        report = await reconciler.reconcile(name, since=since, wait=True, on_progress=on_progress)
    assert report is not None  # noqa: S101  (it waits)
    return report
