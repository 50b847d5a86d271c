"""`receiver serve` and `receiver migrate`."""

from __future__ import annotations

import asyncio
import logging

import click

from receiver import app
from receiver.cli import types
from receiver.cli.environment import settings_for
from receiver.cli.migrate import move_and_print
from receiver.cli.output import print_json
from receiver.settings import Needs


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--no-work", is_flag=True, help="Receive and answer only; `receiver work` processes do the copying.")
def serve(*, host: str, port: int, no_work: bool) -> None:
    """Receive webhooks, archive recordings and answer operators, until SIGTERM or Ctrl-C; then finish cleanly."""
    settings = settings_for(Needs.SERVE, log_level=logging.INFO)
    asyncio.run(app.serve(settings, host=host, port=port, work=not no_work))


@click.command()
@click.option("--from", "source_url", metavar="URL", help="Move the index of this SQLite file: sqlite:///path …")
@click.option("--to", "target_url", metavar="URL", help="… to this empty database: postgresql://user@host/db.")
@types.as_json
def migrate(*, source_url: str | None, target_url: str | None, as_json: bool) -> None:
    """Bring the database to this release's schema. Safe to repeat, and to run twice at once.

    With --from and --to: bring the second database to this release's schema, copy every row of the first into it and
    prove each table's content equal, all in one transaction. Stop the service before. A password is better left out
    of the URL and given as PGPASSWORD or in ~/.pgpass.
    """
    settings = settings_for(Needs.DATABASE)
    if source_url is not None and target_url is not None:
        move_and_print(settings, source_url=source_url, target_url=target_url, as_json=as_json)
        return
    if source_url is not None or target_url is not None:
        raise click.UsageError("--from and --to go together: where the index is, and where it shall be")
    before, after = asyncio.run(app.migrate(settings))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"The database is at {after}; nothing to do.")
    else:
        click.echo(f"The database was brought from {before or 'no schema'} to {after}.")
