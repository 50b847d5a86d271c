"""A hold: what must not be deleted, by whose word and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime

HoldId = NewType("HoldId", int)
MAX_REASON_CHARS = 1000


class HoldScope(StrEnum):
    """What a hold names; all but one of a recording cover future recordings too."""

    RECORDING = "recording"
    MEETING = "meeting"
    HOST = "host"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold that stands. `value` is an id; of a person a user id or an e-mail, as it is compared: without case.

    `id` is 0 of what a release without reasons held.
    """

    id: HoldId
    scope: HoldScope
    value: str
    reason: str
    actor: str
    at: datetime
