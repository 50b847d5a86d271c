"""The JSON of holds."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from receiver.api.bodies import Body
from receiver.records import MAX_REASON_CHARS, HoldScope

if TYPE_CHECKING:
    from receiver.records import Hold, Page


class ReasonBody(Body):
    """Why something is done; it stays on record, so it should name no person."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)


class NewHoldBody(ReasonBody):
    """What to hold: a recording, or all of a meeting, a host or a person (a user id or an e-mail), future ones too."""

    scope: HoldScope
    value: str = Field(min_length=1, max_length=320)


class HoldBody(Body):
    """A hold that stands."""

    id: int
    scope: HoldScope
    value: str
    reason: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, hold: Hold) -> HoldBody:
        """Copy a hold."""
        return cls.model_validate(hold)


class HoldsBody(Body):
    """A page of the holds that stand, newest first; `next` is the `cursor=` of the following one, null on the last."""

    items: tuple[HoldBody, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page[Hold]) -> HoldsBody:
        """Copy a page."""
        return cls(items=tuple(map(HoldBody.of, page.items)), next=page.next_cursor)
