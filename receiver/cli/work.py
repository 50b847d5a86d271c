"""`receiver work`."""

from __future__ import annotations

import asyncio
import logging

import click

from receiver import app
from receiver.cli.environment import settings_for
from receiver.settings import Needs


@click.command()
def work() -> None:
    """Archive recordings beside other processes that share the PostgreSQL database, until SIGTERM or Ctrl-C."""
    settings = settings_for(Needs.BUCKET, log_level=logging.INFO)
    asyncio.run(app.work(settings))
