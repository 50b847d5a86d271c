"""`receiver retention`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from receiver.app.retention import open_retention
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import Column, print_fields, print_json, print_table
from receiver.cli.signals import run_until_signal
from receiver.errors import SettingsError
from receiver.figures import moment, size
from receiver.operators import actor_of
from receiver.settings import Needs

if TYPE_CHECKING:
    from receiver.records import RetentionReport
    from receiver.settings import Settings

_COLUMNS = (Column("ERASED FROM", whole=True), Column("RECORDINGS", right=True), Column("SIZE", right=True))


@click.command()
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be, and when.")
@types.as_json
def retention(*, dry_run: bool, as_json: bool) -> None:
    """Mark the recordings that were kept for RECEIVER_RETENTION_DAYS, and erase those whose grace is over.

    A recording is due so many days after it was created. It is erased RECEIVER_RETENTION_GRACE_DAYS after a run has
    marked it, unless it is on hold. The service does the same once a day.
    """
    settings = settings_for(Needs.BUCKET)
    if settings.retention_days is None:
        raise SettingsError("nothing expires", "set RECEIVER_RETENTION_DAYS")
    code = run_until_signal(_run(settings, dry_run=dry_run, as_json=as_json))
    if code:
        raise SystemExit(code)


async def _run(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    async with open_retention(settings) as expiry:
        if dry_run:
            report = await expiry.look()
        else:
            by = actor_of(os_user())
            await expiry.index.begin(by, now=expiry.clock())
            report = await expiry.run(by=by)
    body = _body(report, dry_run=dry_run)
    if as_json:
        groups = [
            {"erased_from": one.erased_from.isoformat(), "recordings": one.recordings, "bytes": one.bytes}
            for one in report.groups
        ]
        print_json(body | {"groups": groups})
        return 0
    print_fields(body)
    if report.groups:
        click.echo()
        print_table(
            _COLUMNS, [[moment(one.erased_from), str(one.recordings), size(one.bytes)] for one in report.groups]
        )
    return 0


def _body(report: RetentionReport, *, dry_run: bool) -> dict[str, Any]:
    names = ("due", "held", "erased", "kept", "due_bytes", "erased_bytes")
    return {name: getattr(report, name) for name in names} | {"dry_run": dry_run}
