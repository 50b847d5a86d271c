"""The filters of the listing as fields of the form above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from receiver.catalogue import FILTERS
from receiver.catalogue.kinds import MAX_WORDS_CHARS, Shape

if TYPE_CHECKING:
    from receiver.catalogue import Filter
    from receiver.page.listing import Asked

SHOWN = frozenset(one.name for one in FILTERS if one.field)
"""Parameters that the form shows; others are kept, unseen."""
_BOUNDS = {"gt": "after", "gte": "from", "lt": "before", "lte": "to"}


def _label(one: Filter[Any]) -> str:
    """Return what a chip calls the filter: the form's word, or the parameter's own name."""
    name, _, sign = one.name.rstrip("]").partition("[")
    own = f"{name.replace('_', ' ').capitalize()} {_BOUNDS.get(sign, '')}".rstrip()
    return one.field.label if one.field else own


LABELS = {one.name: _label(one) for one in FILTERS}
"""What each filter is called where it is set."""
_DAY_CHARS = len("2026-01-31")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """`attributes` are those of the `input`, in order; with `choices` it is a `select` of which `value` is chosen."""

    label: str
    is_wide: bool
    choices: tuple[str, ...]
    value: str
    attributes: dict[str, str | None]


def filter_fields(asked: Asked) -> list[FormField]:
    """Return the form's fields with what was asked in them, the search first."""
    found = [
        FormField(
            label=one.field.label,
            is_wide=one.kind.shape is Shape.WORDS,
            choices=one.kind.choices,
            value=asked.value(one.name),
            attributes={"id": one.name, "name": one.name}
            | _attributes(one.kind.shape, asked.value(one.name))
            | {"placeholder": one.field.placeholder},
        )
        for one in FILTERS
        if one.field
    ]
    return sorted(found, key=lambda field: not field.is_wide)


def _attributes(shape: Shape, value: str) -> dict[str, str | None]:
    match shape:
        case Shape.WORDS:
            return {"type": "search", "maxlength": str(MAX_WORDS_CHARS), "value": value}
        case Shape.NUMBER:
            return {"inputmode": "numeric", "value": value}
        case Shape.TIME:  # a browser's calendar shows days alone: it would drop the time of an address that has one
            return {"type": "date" if len(value) in {0, _DAY_CHARS} else "text", "value": value}
        case Shape.TEXT | Shape.CHOICE:
            return {"value": value, "autocapitalize": "none", "spellcheck": "false"}
        case _:
            assert_never(shape)
