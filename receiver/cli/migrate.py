"""What `receiver migrate --from … --to …` shows."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from receiver import logs
from receiver.app.moving import ends, move_index
from receiver.cli.output import Column, clean, print_json, print_table
from receiver.errors import ReceiverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from receiver.settings import Settings

_COLUMNS = (
    Column("TABLE", whole=True),
    Column("ROWS", whole=True, right=True),
    Column("SHA-256"),
    Column("PROOF", whole=True),
)


def move_and_print(settings: Settings, *, source_url: str, target_url: str, as_json: bool) -> None:
    """Move the index and print each table's proof."""
    between = ends(settings, source_url=source_url, target_url=target_url)
    try:
        with _progress() as tell:
            report = asyncio.run(move_index(between, tell))
    except ReceiverError as e:  # a driver's own words may repeat what it was given
        raise type(e)(logs.redact(str(e))) from e
    if as_json:
        tables = [
            {"table": name, "rows": held.rows, "digest": held.digest, "ok": True}
            for name, held in report.tables.items()
        ]
        print_json({"from": between.source, "to": between.target, "tables": tables})
        return
    print_table(
        _COLUMNS, [[name, f"{held.rows:,}", held.digest, "same on both"] for name, held in report.tables.items()]
    )
    click.echo(
        f"Moved {clean(between.source)} to {clean(between.target)}. Set RECEIVER_DATABASE_URL to the new database "
        "before you start the service; the old file is as it was."
    )


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show on a terminal's stderr which table is being copied; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _table, _rows: None
        return
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)

    with Console(stderr=True).status("moving") as status:
        yield lambda table, rows: status.update(f"{table}: {rows:,} rows copied")
