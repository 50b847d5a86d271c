"""`receiver lift-pause`."""

from __future__ import annotations

import asyncio

import click

from receiver import app
from receiver.cli import types
from receiver.cli.environment import os_user, settings_for
from receiver.cli.output import print_json
from receiver.settings import Needs


@click.command("lift-pause")
@types.as_json
def lift_pause(*, as_json: bool) -> None:
    """End the pause that the Meetings API asked for (429, Retry-After), in every process and within a minute.

    Recordings that wait for its end are tried now. Who did it is written to the audit log. `receiver check` shows a
    pause that is running; a single recording that waits for its host's Retry-After is tried by `recordings retry`.
    """
    lifted = asyncio.run(app.lift_pause(settings_for(Needs.DATABASE), os_user()))
    if as_json:
        print_json({"seconds_left": round(lifted.left_s, 3), "recordings": lifted.recordings})
        return
    what = f"a pause of {lifted.left_s:.0f} s more was lifted" if lifted.left_s else "no pause was running"
    click.echo(f"{what}; recordings that are tried now: {lifted.recordings}")
