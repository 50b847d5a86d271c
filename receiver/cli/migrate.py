"""`receiver migrate`: the schema brought up to date, or the whole index moved into another database."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from receiver import app, logs
from receiver.app.move import ends, move_index
from receiver.cli import types
from receiver.cli.environment import settings_for
from receiver.cli.output import Column, clean, print_json, print_table
from receiver.errors import ReceiverError
from receiver.settings import Needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from receiver.settings import Settings

_COLUMNS = (
    Column("TABLE", whole=True),
    Column("ROWS", whole=True, right=True),
    Column("SHA-256"),
    Column("PROOF", whole=True),
)


@click.command()
@click.option("--from", "source_url", metavar="URL", help="Move the index of this SQLite file: sqlite:///path …")
@click.option("--to", "target_url", metavar="URL", help="… to this empty database: postgresql://user@host/db.")
@types.as_json
def migrate(*, source_url: str | None, target_url: str | None, as_json: bool) -> None:
    """Bring the database to this release's schema, and index the recordings that an earlier one wrote.

    Safe to repeat, to run twice at once, and to cut off: run again, it goes on.

    With --from and --to: bring the second database to this release's schema, copy every row of the first into it and
    prove each table's content equal, all in one transaction. Stop the service before. A password is better left out
    of the URL and given as PGPASSWORD or in ~/.pgpass.
    """
    settings = settings_for(Needs.DATABASE)
    if source_url is not None and target_url is not None:
        _move_and_print(settings, source_url=source_url, target_url=target_url, as_json=as_json)
        return
    if source_url is not None or target_url is not None:
        raise click.UsageError("--from and --to go together: where the index is, and where it shall be")
    with _indexing() as tell:
        before, after = asyncio.run(app.migrate(settings, tell))
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        click.echo(f"The database is at {after}; nothing to do.")
    else:
        click.echo(f"The database was brought from {before or 'no schema'} to {after}.")


def _move_and_print(settings: Settings, *, source_url: str, target_url: str, as_json: bool) -> None:
    """Move the index and print each table's proof."""
    between = ends(settings, source_url=source_url, target_url=target_url)
    try:
        with _progress() as tell:
            report = asyncio.run(move_index(between, tell))
    except ReceiverError as e:  # a driver's own words may repeat what it was given
        raise type(e)(logs.redact(e.happened), logs.redact(e.remedy)) from e
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
def _indexing() -> Iterator[Callable[[int, int], None]]:
    """Say on stderr how many recordings are indexed so far, a line for every twentieth part."""
    said = 0

    def tell(done: int, total: int) -> None:
        nonlocal said
        if done * 20 // total > said:
            said = done * 20 // total
            click.echo(f"indexed {done:,} of {total:,} recordings", err=True)

    yield tell


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """Show on a terminal's stderr which table is being copied; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _table, _rows: None
        return
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)

    with Console(stderr=True).status("moving") as status:
        yield lambda table, rows: status.update(f"{table}: {rows:,} rows copied")
