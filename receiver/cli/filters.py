"""The filters of the listing as options of a command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

import click

from receiver.catalogue import FILTERS
from receiver.catalogue.kinds import Shape, ValueKind
from receiver.cli.types import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each filter that has one, in the table's order."""
    for one in reversed(FILTERS):
        if one.option is not None:
            add = click.option(one.option.flag, type=_type(one.kind), multiple=one.kind.is_list, help=one.option.help)
            command = add(command)
    return command


def pairs(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that a command's arguments stand for."""
    for one in FILTERS:
        if one.option is None:
            continue
        value = given[one.option.flag.removeprefix("--").replace("-", "_")]
        for each in value if one.kind.is_list else [value]:
            if each is not None:
                yield one.name, each.isoformat() if isinstance(each, datetime) else str(each)


def _type(kind: ValueKind[Any]) -> click.ParamType[Any]:
    match kind.shape:
        case Shape.CHOICE:
            return click.Choice(kind.choices)
        case Shape.TEXT | Shape.WORDS:
            return click.STRING
        case Shape.NUMBER:
            return click.INT
        case Shape.TIME:
            return Moment()
        case _:
            assert_never(kind.shape)
