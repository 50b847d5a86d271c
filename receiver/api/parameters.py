"""The parameters of the listings as the document describes them, made of the one table of filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from receiver.catalogue import FILTERS, SORTS
from receiver.catalogue.kinds import ID, MAX_WORDS_CHARS, TIME, Shape
from receiver.operators import DEFAULT_LIMIT, MAX_LIMIT, ExportFormat
from receiver.records import DeliveryStatus, HoldScope

if TYPE_CHECKING:
    from receiver.catalogue import Filter
    from receiver.catalogue.kinds import ValueKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter; `schema` is JSON Schema."""

    name: str
    about: str
    schema: dict[str, Any]
    required: bool = False


LIMIT = Parameter(
    name="limit",
    about="Most items of a page.",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter(name="cursor", about="`next` of the page before, with the same filters.", schema={"type": "string"})
SORT = Parameter(
    name="sort",
    about="The order; a minus sign for the greatest first.",
    schema={"type": "string", "enum": sorted(SORTS), "default": "-created_at"},
)
STATUS = Parameter(
    name="status",
    about="Only deliveries that ended so.",
    schema={"type": "string", "enum": [status.value for status in DeliveryStatus]},
)
FORMAT = Parameter(
    name="format",
    about="What the export is written as.",
    schema={"type": "string", "enum": [one.value for one in ExportFormat]},
    required=True,
)


def _parameter(one: Filter[Any]) -> Parameter:
    about = one.option.help if one.option else f"A bound of `{one.name.partition('[')[0]}`."
    return Parameter(name=one.name, about=about, schema=_schema(one.kind))


def _schema(kind: ValueKind[Any]) -> dict[str, Any]:
    match kind.shape:
        case Shape.CHOICE:
            choice = {"type": "string", "enum": list(kind.choices)}
            return {"type": "array", "items": choice, "minItems": 1} if kind.is_list else choice
        case Shape.TEXT:
            return {"type": "string", "minLength": 1}
        case Shape.WORDS:
            return {"type": "string", "maxLength": MAX_WORDS_CHARS}
        case Shape.NUMBER:
            return {"type": "integer" if kind.is_whole else "number", "minimum": 0}
        case Shape.TIME:
            return {
                "description": "ISO 8601 (without an offset: UTC), or seconds since 1970.",
                "anyOf": [
                    {"type": "string", "format": "date-time"},
                    {"type": "string", "format": "date"},
                    {"type": "number"},
                ],
            }
        case _:
            assert_never(kind.shape)


FILTERED = tuple(map(_parameter, FILTERS))
"""One for each filter of the recordings' listing, in the table's order."""
HELD = (
    Parameter(
        name="scope",
        about="Only holds of this scope.",
        schema={"type": "string", "enum": [scope.value for scope in HoldScope]},
    ),
    Parameter(
        name="value",
        about="Only holds that name this id or e-mail.",
        schema={"type": "string", "minLength": 1, "maxLength": 320},
    ),
    Parameter(name="recording_id", about="Only holds that cover this recording.", schema=_schema(ID)),
)
"""What the listing of holds can be narrowed by."""
LOGGED = (
    Parameter(
        name="actor",
        about="Only what this token, user or schedule did; with or without what stands before the name.",
        schema={"type": "string", "minLength": 1, "maxLength": 128},
    ),
    Parameter(
        name="action",
        about="Only acts of this kind, such as `url_issued`.",
        schema={"type": "string", "pattern": "^[a-z_]{1,64}$"},
    ),
    Parameter(name="recording_id", about="Only acts on this recording.", schema=_schema(ID)),
    Parameter(name="since", about="Only acts since then.", schema=_schema(TIME)),
    Parameter(name="until", about="Only acts before then.", schema=_schema(TIME)),
)
"""What the log can be asked."""
