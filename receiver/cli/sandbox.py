"""`receiver sandbox`: the emulated Meetings API alone, for trying a deployment's settings without an account."""

from __future__ import annotations

import os

import click

from receiver.cli.lazy import failure
from receiver.cli.output import print_json
from receiver.cli.signals import run_until_signal
from receiver.sandbox import Sandbox, SandboxConfig, run_forever

_STOPPED_BY_SIGNAL = frozenset({130, 143})


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0 takes a free one.")
@click.option("--webhook-url", help="Where recording-done webhooks are posted.")
@click.option("--webhook-basic-auth", metavar="USER:PASSWORD", help="Sent with each webhook.")
@click.option("--seed", type=int, help="Ids and tokens repeat from run to run.")
@click.option("--json", "as_json", is_flag=True, help="Print what the emulator is as JSON.")
def sandbox(  # noqa: PLR0913  (one argument an option)
    *,
    host: str,
    port: int,
    webhook_url: str | None,
    webhook_basic_auth: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Run an emulated Meetings platform until Ctrl-C.

    Prints its URLs and credentials, as settings for `receiver serve` and as example requests.
    """
    config = SandboxConfig(
        host=host, port=port, webhook_url=webhook_url, webhook_basic_auth=webhook_basic_auth, seed=seed
    )

    async def forever() -> int:
        await run_forever(config, _print_json if as_json else _print_settings)
        return 0

    try:
        code = run_until_signal(forever())
    except OSError as e:
        raise failure(f"cannot listen on {host} port {port}: {os.strerror(e.errno or 0)}; choose another --port") from e
    if code not in _STOPPED_BY_SIGNAL:
        raise SystemExit(code)


def _print_json(running: Sandbox) -> None:
    print_json(running.describe())


def _print_settings(running: Sandbox) -> None:
    known = running.describe()
    click.echo(f"# The emulated platform answers at {known['url']}. Settings for `receiver serve`:")
    click.echo(f"RECEIVER_API_URL={known['url']}")
    click.echo(f"RECEIVER_API_ADMIN_KEY={known['admin_key']}")
    click.echo(f"RECEIVER_DOWNLOAD_HOSTS={known['storage_url']}")
    click.echo("RECEIVER_DOWNLOAD_NETWORKS=127.0.0.0/8")
    click.echo(f"# Webhooks are posted to {known['webhook_url'] or 'nowhere: give --webhook-url'}. Try:")
    for example in known["examples"]:
        click.echo(f"#   {example}")
