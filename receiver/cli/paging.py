"""What a listing says of the items that it did not show."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Iterator


def tell_more(ctx: click.Context, cursor: str, *, count: int | None = None, most: int | None = None) -> None:
    """Say on stderr how many more there are (`most`: as far as was counted) and the command that shows them."""
    if count is None:
        more = "There are more"
    elif count == most:
        more = f"There are {count:,} more or over"
    else:
        more = f"There {'is 1' if count == 1 else f'are {count:,}'} more"
    again = [*ctx.command_path.split(), *_given(ctx), "--cursor", cursor]
    click.echo(f"{more}; go on with: {shlex.join(again)}", err=True)


def _given(ctx: click.Context) -> Iterator[str]:
    """Yield the options as they were given, but for the cursor; an age is the time that it stood for."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name == "cursor" or ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = ctx.params[name]
        for one in value if isinstance(value, tuple) else [value]:
            yield parameter.opts[0]
            if not (isinstance(parameter, click.Option) and parameter.is_flag):
                yield one.isoformat() if isinstance(one, datetime) else str(one)
