"""`receiver clean-up`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from receiver.app.cleanup import open_cleanup
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import print_fields, print_json
from receiver.cli.signals import run_until_signal
from receiver.errors import SettingsError
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.settings import Settings


@click.command("clean-up")
@click.option(
    "--after-days",
    type=click.IntRange(1, 100_000),
    help="Days since a meeting's newest recording was archived.  [default: SOURCE_CLEANUP_AFTER_DAYS]",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; show what would be.")
@types.as_json
def clean_up(*, after_days: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete at the platform the recordings of meetings that are archived here, each proven again before.

    A meeting is deleted whole or not at all: every recording of it must be archived, none on hold, each object in the
    bucket as it was proven, and the platform must list nothing else. Needs an administration key. Each deletion is
    written to the audit log before it is asked for, and after it.

    Exit code 1 where an object is missing or damaged, a listing cannot be read, or the API or the bucket is away.
    """
    settings = settings_for(Needs.BUCKET)
    days = settings.source_cleanup_after_days if after_days is None else after_days
    if days is None:
        raise SettingsError(
            "nothing is deleted without an age", "give --after-days, or RECEIVER_SOURCE_CLEANUP_AFTER_DAYS"
        )
    code = run_until_signal(_run(settings, timedelta(days=days), dry_run=dry_run, as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, older_than: timedelta, *, dry_run: bool, as_json: bool) -> int:
    async with open_cleanup(settings, os_user()) as cleanup:
        report = await cleanup.run(older_than=older_than, dry_run=dry_run)
    body = {"meetings": report.meetings, "deleted": report.deleted, "kept": dict(report.kept), "dry_run": dry_run}
    (print_json if as_json else print_fields)(body)
    if report.error is not None:
        click.echo(f"Error: {report.error}", err=True)
    return 0 if report.is_good else 1
