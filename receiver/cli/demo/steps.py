"""What the demo is doing, step by step, on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from receiver.cli.output import clean
from receiver.errors import ReceiverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console


class DemoError(ReceiverError):
    """A part of the demo did not start or did not answer as it should."""


class Steps:
    """Prints every finished step with the seconds since the start and the seconds it took."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._console = _terminal()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, doing: str) -> Iterator[list[str]]:
        """Show `doing` until the block ends; what the block appends to the list is printed as its result."""
        begun = time.monotonic()
        result: list[str] = []
        with self._live(doing):
            yield result
        self.note(", ".join(result) or doing, took_s=time.monotonic() - begun)

    def note(self, text: str, *, took_s: float | None = None) -> None:
        """Print a line of its own."""
        took = f" ({took_s:.2f} s)" if took_s is not None else ""
        line = f"[{self.elapsed_s:6.2f} s] {clean(text)}{took}"
        if self._console is None:
            click.echo(line, err=True)
        else:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _live(self, doing: str) -> AbstractContextManager[Any]:
        if self._console is None:
            return nullcontext()
        from rich.text import Text  # noqa: PLC0415  (only a terminal needs it)

        return self._console.status(Text(f"{clean(doing)} …"))


def _terminal() -> Console | None:
    if not sys.stderr.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)

    return Console(stderr=True)
