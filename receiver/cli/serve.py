"""`receiver serve` and `receiver work`."""

from __future__ import annotations

import asyncio

import click

from receiver import app
from receiver.cli.environment import settings_for
from receiver.settings import Needs


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--no-work", is_flag=True, help="Receive and answer only; `receiver work` processes do the copying.")
def serve(*, host: str, port: int, no_work: bool) -> None:
    """Receive webhooks, archive recordings and answer operators, until SIGTERM or Ctrl-C; then finish cleanly."""
    settings = settings_for(Needs.SERVE, is_service=True)
    asyncio.run(app.serve(settings, host=host, port=port, work=not no_work))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of RECEIVER_WORK_PORT.")
def work(*, host: str) -> None:
    """Archive recordings beside other processes that share the PostgreSQL database, until SIGTERM or Ctrl-C.

    With RECEIVER_WORK_PORT it answers /healthz, /readyz and /metrics there.
    """
    settings = settings_for(Needs.BUCKET, is_service=True)
    asyncio.run(app.work(settings, host=host))
