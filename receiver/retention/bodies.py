"""Deliveries' bodies rewritten without what is erased. Killed, it has rewritten some; run again, it ends the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.meetings.redaction import mentions, without_meeting, without_person, without_recordings
from receiver.records import KeptPlace
from receiver.threads import unless_small

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from receiver.catalogue import KeptBodies
    from receiver.catalogue.bodies import KeptBody
    from receiver.records import DeliveryId, Hold, MeetingId, Person, RecordingId

    Rewrite = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Takes recordings and people out of the kept bodies."""

    bodies: KeptBodies

    async def of_recordings(self, ids: Collection[RecordingId]) -> Counter[RecordingId]:
        """Empty or rewrite every body that names one of them; return how many of each were."""
        naming = await self.bodies.naming(list(ids))
        changed: Counter[RecordingId] = Counter()
        for one in naming.values():
            changed.update(one)

        async def linked() -> AsyncIterator[list[KeptBody]]:
            async for page in self.bodies.each(naming):
                yield page

        def out_of(kept: KeptBody) -> bytes:
            return without_recordings(kept.body, naming[kept.delivery_id])

        await self._rewritten(linked(), out_of)
        await self._rewritten(
            self.bodies.unlinked(),
            lambda kept: without_recordings(kept.body, ids) if mentions(kept.body, ids) else kept.body,
        )
        return changed

    async def of_meeting(self, meeting_id: MeetingId) -> int:
        """Do so with what names the meeting and none of its recordings."""
        count, _ = await self._rewritten(
            self.bodies.unlinked(),
            lambda kept: without_meeting(kept.body, meeting_id) if mentions(kept.body, [meeting_id]) else kept.body,
        )
        return count

    async def of_person(self, person: Person) -> tuple[int, dict[RecordingId, tuple[Hold, ...]]]:
        """Take a person out of every body there is; one that cannot be read goes whole where it names them.

        Return how many were rewritten, and the recordings on hold whose bodies name the person still.
        """
        return await self._rewritten(self.bodies.every(), lambda kept: _without(kept.body, person), heeds_holds=True)

    async def naming(self, person: Person) -> list[KeptPlace]:
        """Return the deliveries whose kept bodies name the person."""
        found: list[KeptPlace] = []
        async for page in self.bodies.every():
            found += [
                KeptPlace(where="delivery", id=kept.delivery_id, role="named in the body")
                for kept in page
                if await unless_small(len(kept.body), _without, kept.body, person) != kept.body
            ]
        return found

    async def _rewritten(
        self, pages: AsyncIterator[list[KeptBody]], rewrite: Callable[[KeptBody], bytes], *, heeds_holds: bool = False
    ) -> tuple[int, dict[RecordingId, tuple[Hold, ...]]]:
        """Rewrite what is found; what another changed meanwhile is read and rewritten once more."""
        count = 0
        held: dict[RecordingId, tuple[Hold, ...]] = {}
        while True:
            missed: set[DeliveryId] = set()
            async for page in pages:
                changed = [(kept, new) for kept in page if (new := await self._new(kept, rewrite)) != kept.body]
                done = await self.bodies.rewrite(changed, heeds_holds=heeds_holds)
                count += done.rewritten
                missed |= done.missed
                held |= done.held
            if not missed:
                return count, held
            pages = self.bodies.each(missed)

    async def _new(self, kept: KeptBody, rewrite: Callable[[KeptBody], bytes]) -> bytes:
        return await unless_small(len(kept.body), rewrite, kept)


def _without(body: bytes, person: Person) -> bytes:
    if not mentions(body, person.words):
        return body
    return without_person(body, person, person.emails | person.texts)
