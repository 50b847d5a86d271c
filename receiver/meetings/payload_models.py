"""The recording-done payload's shape, and its violations in words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from receiver.meetings import fields
from receiver.records import ID_PATTERN

_MOST_PROBLEMS = 20


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Text = Annotated[str | None, BeforeValidator(fields.text)]
UserId = Annotated[int | None, BeforeValidator(fields.user_id)]
Time = Annotated[datetime | None, BeforeValidator(fields.time)]


class _WireModel(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class PayloadMeetingBody(_WireModel):
    """The payload's `meeting`."""

    id: Id = Field(alias="_id")
    name: Text = None
    start_date: Time = None
    end_date: Time = None
    host_id: UserId = None
    attendees: Annotated[Any, BeforeValidator(fields.attendees)] = None


class PayloadHostBody(_WireModel):
    """The payload's `hostUser`; its numeric `id` is the meeting's `host_id`."""

    id: UserId = None
    full_name: Text = None
    login: Text = None
    email: Text = None


class RecordBody(_WireModel):
    """What is demanded of one of the payload's `callRecords`: its ids."""

    id: Id = Field(alias="_id")
    room_id: Id | None = None


class PayloadBody(_WireModel):
    """One recording-done object; the page's prose calls it an array, its example is an object."""

    meeting: PayloadMeetingBody
    host: Annotated[PayloadHostBody, BeforeValidator(_object)] = Field(default=PayloadHostBody(), alias="hostUser")
    records: list[Any] = Field(alias="callRecords")


def explain(error: ValidationError, where: str) -> tuple[str, ...]:
    """Return the first problems of what stands at `where`: field, problem and remedy."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_PROBLEMS]:
        path = ".".join([where, *map(str, problem["loc"])]).strip(".") or "the body"
        if problem["type"] == "string_pattern_mismatch":
            problems.append(f"{path} must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
        elif problem["type"] == "model_type":
            problems.append(f"{path} must be an object")
        else:
            problems.append(f"{path}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return tuple(problems)
