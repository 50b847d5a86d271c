"""The JSON of what is on record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from receiver.api.bodies import Body

if TYPE_CHECKING:
    from receiver.catalogue import History
    from receiver.records import LoggedAct, Page


class ActBody(Body):
    """`actor` did `action` to `subject`: an id of a recording, a meeting or a delivery, or what the action says.

    `id` is the entry's place in the log; null where a recording's row tells of it, or while it is not sealed.
    """

    id: int | None
    at: datetime
    actor: str
    role: str | None
    action: str
    subject: str
    reason: str | None
    outcome: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, act: LoggedAct) -> ActBody:
        """Copy an act."""
        return cls.model_validate(act)


class ActsBody(Body):
    """A page of the log, newest first; `next` is the `cursor=` of the following one, null on the last."""

    items: tuple[ActBody, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page[LoggedAct]) -> ActsBody:
        """Copy a page."""
        return cls(items=tuple(map(ActBody.of, page.items)), next=page.next_cursor)


class HistoryBody(Body):
    """What is on record of a recording, in order of time; `is_cut` where older acts are in the log only."""

    recording_id: str
    events: tuple[ActBody, ...]
    is_cut: bool

    @classmethod
    def of(cls, history: History) -> HistoryBody:
        """Copy a history."""
        events = tuple(map(ActBody.of, history.events))
        return cls(recording_id=history.recording.id, events=events, is_cut=history.is_cut)
