"""Progress bars on a terminal's stderr; nothing elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from receiver.cli.output import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from receiver.records import Tally


@contextmanager
def transfer_progress(name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many bytes more have come."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(clean(name), total=size_bytes)
        yield lambda count: progress.advance(task, count)


@contextmanager
def meetings_progress() -> Iterator[Callable[[Tally], None]]:
    """Yield what is called with a reconciliation's progress; how many meetings there are is not known before."""
    with counted_progress() as say:
        yield lambda tally: say(f"{tally.meetings:,} meetings, {tally.recordings:,} recordings, {tally.found:,} found")


@contextmanager
def counted_progress() -> Iterator[Callable[[str], None]]:
    """Yield what is called with the words that say how far something is whose end is not known before."""
    if not sys.stderr.isatty():
        yield lambda _said: None
        return
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda said: progress.update(task, description=said)
