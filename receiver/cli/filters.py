"""The filters of the listing as options of a command: each has one, by the table's own words where it has some."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

import click

from receiver.catalogue import FILTERS
from receiver.catalogue.filters import Option
from receiver.catalogue.kinds import Shape, ValueKind
from receiver.cli.types import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from receiver.catalogue import Filter

_SIGNS = {"gt": "More than, or after.", "gte": "At least, or from.", "lt": "Less than, or before.", "lte": "At most."}


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each filter, in the table's order."""
    for one in reversed(FILTERS):
        option = _option(one)
        number = "NUMBER" if one.kind.shape is Shape.NUMBER else None
        add = click.option(
            option.flag, type=_type(one.kind), metavar=number, multiple=one.kind.is_list, help=option.help
        )
        command = add(command)
    return command


def pairs(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that a command's arguments stand for."""
    for one in FILTERS:
        value = given[_option(one).flag.removeprefix("--").replace("-", "_")]
        for each in value if one.kind.is_list else [value]:
            if each is not None:
                yield one.name, each.isoformat() if isinstance(each, datetime) else str(each)


def _option(one: Filter[Any]) -> Option:
    """Return the table's option; a bound that has none is called as the API calls it: `archived_at[gte]`, say."""
    if one.option is not None:
        return one.option
    words = re.findall(r"\w+", one.name)
    return Option(f"--{'-'.join(words).replace('_', '-')}", _SIGNS.get(words[-1], f"{one.name} of the API."))


def _type(kind: ValueKind[Any]) -> click.ParamType[Any]:
    match kind.shape:
        case Shape.CHOICE:
            return click.Choice(kind.choices)
        case Shape.TEXT | Shape.WORDS | Shape.NUMBER:  # the filter itself says what number it takes
            return click.STRING
        case Shape.TIME:
            return Moment()
        case _:
            assert_never(kind.shape)
