"""`receiver notify --test`."""

from __future__ import annotations

import asyncio

import click

from receiver.app.notices import try_ways
from receiver.cli import types
from receiver.cli.environment import settings_for
from receiver.cli.output import Column, print_json, print_table
from receiver.errors import SettingsError
from receiver.settings import Needs

_COLUMNS = (Column("CHANNEL", whole=True), Column("SENT", whole=True), Column("ERROR"))


@click.command()
@click.option("--test", "is_test", is_flag=True, required=True, help="Send a test message; it is the one thing to do.")
@types.as_json
def notify(*, is_test: bool, as_json: bool) -> None:
    """Send a test by every channel of NOTIFY_URLS, and a test event to EVENTS_URL.

    The service itself tells of outages and their ends. Exit code 1 where a channel did not take the test.
    """
    del is_test
    outcomes = asyncio.run(try_ways(settings_for(Needs.BUCKET)))
    if not outcomes:
        raise SettingsError("nobody is told of anything", "set RECEIVER_NOTIFY_URLS or RECEIVER_EVENTS_URL")
    if as_json:
        print_json(
            {"channels": [{"name": one.channel, "sent": one.error is None, "error": one.error} for one in outcomes]}
        )
    else:
        rows = [[one.channel, "yes" if one.error is None else "no", one.error or "-"] for one in outcomes]
        print_table(_COLUMNS, rows)
    if any(one.error is not None for one in outcomes):
        raise SystemExit(1)
