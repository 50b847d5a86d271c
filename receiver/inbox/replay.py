"""Stored deliveries taken in again, as their bodies are read by today's rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import NotFoundError, UnreadableError
from receiver.inbox import is_refused, reason_of
from receiver.meetings import payload
from receiver.records import Parsed, Replayed
from receiver.threads import unless_small

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import Catalogue
    from receiver.inbox import Inbox
    from receiver.records import Accepted, Actor, Delivery, DeliveryId, RecordingFacts

_NO_URL = (
    "without API credentials a recording can be fetched only where its row holds a live URL, since the signatures of "
    "the URLs in a kept body are blanked"
)
_log = logs.get("inbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replays:
    """`has_api` says that there are credentials to ask for fresh URLs with."""

    inbox: Inbox
    catalogue: Catalogue
    has_api: bool
    clock: Callable[[], datetime]

    async def replay(self, delivery_id: DeliveryId, by: Actor) -> Replayed:
        """Take a delivery in again, on record as done `by` somebody.

        Safe to repeat, since what is known already stays as it is.

        Raises `NotFoundError`, or `UnreadableError` where still nothing of it can be used.
        """
        delivery = await self.catalogue.delivery(delivery_id)
        body = delivery.body or b""
        if not body and delivery.body_bytes:
            raise UnreadableError(("its body is not kept any more, since all that it named is erased",))
        try:
            parsed = await unless_small(len(body), _parse, body)
        except UnreadableError as e:
            await self._store(delivery, Parsed(recordings=(), rejected=(), ask=e.ask), by, is_read=False)
            raise
        accepted = await self._store(delivery, parsed, by, is_read=True)
        return Replayed(accepted=accepted, note=None if self.has_api else _NO_URL)

    async def _store(self, delivery: Delivery, parsed: Parsed, by: Actor, *, is_read: bool) -> Accepted:
        try:
            accepted = await self.inbox.replay(delivery, parsed, is_read=is_read, now=self.clock(), by=by)
        except Exception as e:
            if not is_refused(e):
                raise
            _log.exception("delivery_refused_by_database", delivery_id=delivery.id, error=str(e))
            raise UnreadableError((f"the database refuses what it says ({reason_of(e)})",)) from e
        if accepted is None:
            raise NotFoundError(f"there is no delivery {delivery.id}")
        return accepted


def _parse(body: bytes) -> Parsed:
    parsed = payload.parse(body, bounded=False)
    return replace(parsed, recordings=tuple(map(_without_url, parsed.recordings)))


def _without_url(facts: RecordingFacts) -> RecordingFacts:
    """Drop the URL, which has no signature any more and must not take the place of one that has."""
    return replace(facts, payload_url=None)
