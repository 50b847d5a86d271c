"""Parses the webhook's recording-done payload: what is demanded, what is tolerated, what is made of it.

Demanded are the ids; everything else "may be null, missing, or joined by unknown ones" (vendor-facts, "Shape conflicts
to tolerate"), so nonsense in an advisory field drops that field and never the recording. A record without a usable id
is rejected alone, beside the good ones.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from receiver.errors import ReceiverError
from receiver.meetings import fields
from receiver.records import ID_PATTERN, Host, Meeting, MeetingId, Parsed, RecordingFacts, RecordingId, RejectedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotJsonError(ReceiverError):
    """The body is not JSON; nothing can be kept of it but the bytes."""


class NotRecordingDoneError(ReceiverError):
    """The body is JSON but not a recording-done payload; `errors` name field, problem and remedy."""

    def __init__(self, errors: tuple[str, ...], rejected: tuple[RejectedRecord, ...] = ()) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.rejected = rejected


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


def parse(body: bytes) -> Parsed:
    """Read a body. `rejected` counts records over the whole body, from 0.

    Raises `NotJsonError`, or `NotRecordingDoneError` when no record at all can be used but some should have been.
    """
    document = _json(body)
    recordings: dict[RecordingId, RecordingFacts] = {}
    rejected: list[RejectedRecord] = []
    index = 0
    for delivery in _deliveries(document, rejected):
        for record in delivery.records:
            try:
                facts = _facts(delivery, record)
                recordings[facts.id] = _newer(recordings.get(facts.id), facts)
            except ValidationError as e:
                rejected.append(RejectedRecord(index=index, errors=_explain(e, f"callRecords[{index}]")))
            index += 1
    if rejected and not recordings:
        raise NotRecordingDoneError(("no record of callRecords can be used",), tuple(rejected))
    return Parsed(recordings=tuple(recordings.values()), rejected=tuple(rejected))


def _json(body: bytes) -> Any:
    # The standard parser lets NaN, huge numbers and lone surrogates through on purpose: the field rules decide on
    # them one by one, where a strict parser would lose the whole delivery.
    try:
        return json.loads(body)
    except RecursionError as e:
        raise NotJsonError("the body nests deeper than any recording-done payload does") from e
    except ValueError as e:  # includes UnicodeDecodeError and integers of thousands of digits
        reason = re.sub(r"[^\x20-\x7e]", "?", str(e))[:200]
        raise NotJsonError(f"the body is not JSON: {reason}") from e


def _deliveries(document: Any, rejected: list[RejectedRecord]) -> Iterator[PayloadBody]:
    """Yield the usable objects of the body; unusable ones beside usable ones are rejected alone."""
    items = document if isinstance(document, list) else [document]
    if not items:
        raise NotRecordingDoneError(("the body is an empty array; it should hold meeting, hostUser and callRecords",))
    problems: list[tuple[int, tuple[str, ...]]] = []
    usable: list[PayloadBody] = []
    for position, item in enumerate(items):
        try:
            usable.append(PayloadBody.model_validate(item))
        except ValidationError as e:
            problems.append((position, _explain(e, f"[{position}]" if isinstance(document, list) else "")))
    if not usable:
        raise NotRecordingDoneError(tuple(problem for _, found in problems for problem in found)[:20])
    rejected += [RejectedRecord(index=position, errors=found) for position, found in problems]
    yield from usable


def _explain(error: ValidationError, where: str) -> tuple[str, ...]:
    problems = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        path = ".".join([where, *map(str, problem["loc"])]).strip(".") or "the body"
        if problem["type"] == "string_pattern_mismatch":
            problems.append(f"{path} must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
        elif problem["type"] == "model_type":
            problems.append(f"{path} must be an object")
        else:
            problems.append(f"{path}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return tuple(problems)


def _facts(delivery: PayloadBody, record: Any) -> RecordingFacts:
    meeting, host, ids = delivery.meeting, delivery.host, RecordBody.model_validate(record)
    facts = RecordingFacts(
        id=RecordingId(ids.id),
        meeting=Meeting(
            id=MeetingId(meeting.id), name=meeting.name, start_date=meeting.start_date, end_date=meeting.end_date
        ),
        host=Host(
            id=host.id if host.id is not None else meeting.host_id,
            name=host.full_name,
            login=host.login,
            email=host.email,
        ),
        vendor=fields.vendor_facts(record),
        payload_url=fields.url(record.get("download_url")),
    )
    if ids.room_id is not None and ids.room_id != meeting.id:
        # the record belongs to another meeting than the one described beside it
        return replace(facts, meeting=Meeting(id=MeetingId(ids.room_id)), host=Host())
    return facts


def _newer(old: RecordingFacts | None, new: RecordingFacts) -> RecordingFacts:
    if old is None or old.vendor.updated_at is None or new.vendor.updated_at is None:
        return new
    return new if new.vendor.updated_at >= old.vendor.updated_at else old
