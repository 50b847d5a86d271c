"""What commands print on stdout: tables, fields and JSON. Names come from strangers, so they pass `clean` first."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_C1 = re.compile("[\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `whole`: never shortened, not even on a narrow terminal."""

    title: str
    whole: bool = False
    right: bool = False


def clean(text: str) -> str:
    """Show control characters instead of sending them to the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def print_json(value: Any) -> None:
    """Print one JSON document, without a byte that a terminal would act on."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: fitted to a terminal, or plain and complete for a pipe."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cleaned)
    else:
        _print_plain(columns, cleaned)


def _print_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _print_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  (only a terminal needs it)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(
            Text(column.title, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.right else "left",
            no_wrap=column.whole,  # the other columns give way, as one line with an ellipsis
            min_width=max((len(row[i]) for row in rows), default=0) if column.whole else None,
        )
    for row in rows:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    Console().print(table)


def print_fields(body: Mapping[str, Any]) -> None:
    """Print `name  value` lines, nested names joined by dots."""
    pairs = list(_flat(body, ""))
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict() if value:
            for key, inner in value.items():
                yield from _flat(inner, f"{name}.{key}" if name else str(key))
        case list() if any(isinstance(item, (dict, list)) for item in value):
            for i, item in enumerate(value):
                yield from _flat(item, f"{name}[{i}]")
        case list():
            yield name, ", ".join(clean(str(item)) for item in value) or "-"
        case None:
            yield name, "-"
        case bool():
            yield name, "yes" if value else "no"
        case _:
            yield name, clean(str(value))
