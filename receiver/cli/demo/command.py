"""The command: what it starts, in which order, and what it leaves."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import click

from receiver.cli.demo import report
from receiver.cli.demo.meeting import hold_meeting
from receiver.cli.demo.stage import open_stage, tail
from receiver.cli.demo.steps import DemoError, Steps
from receiver.cli.lazy import failure
from receiver.cli.signals import ended_by_signal, run_until_signal
from receiver.cli.types import Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.cli.demo.stage import Stage


@click.command()
@click.option("--once", is_flag=True, help="End after the meeting: exit 0 only if the archived bytes are proven.")
@click.option("--size", "size_bytes", type=Size(), default="8MB", show_default=True, help="Size of each recording.")
@click.option("--files", type=click.IntRange(1, 100), default=1, show_default=True, help="Recordings of the meeting.")
@click.option("--timeout", "timeout_s", type=click.IntRange(1), default=120, show_default=True, metavar="SECONDS")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep all data and logs in this folder.")
def demo(*, once: bool, size_bytes: int, files: int, timeout_s: int, keep: Path | None) -> None:
    """Record and archive a meeting on this machine: no account, no bucket, nothing leaves loopback.

    Starts an emulated Meetings platform, an S3 server and the service; holds a recorded meeting as a user of the
    platform would; and compares the archived object with the platform's file, byte for byte by SHA-256.
    """
    patience = timedelta(seconds=timeout_s)
    with _data_dir(keep) as data_dir:
        code = run_until_signal(
            _demo(data_dir, once=once, size_bytes=size_bytes, files=files, patience=patience, kept=keep is not None)
        )
    if code:
        raise SystemExit(code)


@contextmanager
def _data_dir(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="receiver-demo-", ignore_cleanup_errors=True) as made:
            yield Path(made)
        return
    if keep.is_dir() and any(keep.iterdir()):
        raise click.UsageError(f"--keep {keep} is not empty; name a new folder")
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise failure(f"cannot make {keep}: {e.strerror}") from e
    yield keep.resolve()


async def _demo(  # noqa: PLR0913  (one argument an option)
    data_dir: Path, *, once: bool, size_bytes: int, files: int, patience: timedelta, kept: bool
) -> int:
    steps = Steps()
    async with open_stage(data_dir, steps) as stage:
        try:
            proofs = await hold_meeting(stage, steps, files=files, size_bytes=size_bytes, patience=patience)
        except aiohttp.ClientError as e:
            raise DemoError(f"a part stopped answering: {e}; the service's log ends:\n{tail(stage.log_file)}") from e
        proven = report.print_proofs(proofs)
        if not once:
            report.print_surroundings(stage)
            await _stay(stage)
    if kept:
        click.echo(f"Data and logs are kept in {data_dir}", err=True)
    return 0 if proven else 1


async def _stay(stage: Stage) -> None:
    """Stay up until a signal; a service that ends by itself ends the demo too."""
    click.echo("Everything stays up until Ctrl-C.", err=True)
    if not await ended_by_signal(stage.service.wait()):
        raise DemoError(
            f"the service ended with {stage.service.returncode}; the end of its log:\n{tail(stage.log_file)}"
        )
