"""The last listing of each meeting, and at most one request for a newer one at a time."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from receiver.errors import ApiUnavailableError
from receiver.meetings.flight import Flight

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from receiver.meetings.listing import Listing
    from receiver.records import MeetingId

_MEETINGS = 256
_RECORDINGS = 50_000  # over all meetings; about 100 MB at the most


class Listings:
    """Listings by meeting. A failed fetch fails all who wait for it and leaves no trace."""

    def __init__(self, fetch: Callable[[MeetingId, float], Coroutine[Any, Any, Listing]]) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[MeetingId, Listing] = OrderedDict()
        self._recordings = 0
        self._flights: dict[MeetingId, Flight[Listing]] = {}
        self._closed = False

    def kept(self, meeting_id: MeetingId) -> Listing | None:
        return self._kept.get(meeting_id)

    async def get(self, meeting_id: MeetingId, *, since: float) -> Listing:
        """Return a listing whose fetch began at `since` (monotonic) or later, from memory where there is one.

        Whoever finds a fetch under way that began too early waits for its end and shares the next one.
        """
        while True:
            kept = self._kept.get(meeting_id)
            if kept is not None and kept.began >= since:
                self._kept.move_to_end(meeting_id)
                return kept
            flight = self._flights.get(meeting_id) or self._start(meeting_id)
            if flight.began is None or flight.began >= since:
                return await flight.result()
            await flight.settled()

    async def close(self) -> None:
        self._closed = True
        for flight in list(self._flights.values()):
            await flight.end()

    def _start(self, meeting_id: MeetingId) -> Flight[Listing]:
        if self._closed:
            raise ApiUnavailableError(
                "the service is shutting down", "the Meetings API was not asked, and is after the next start"
            )

        async def load(began: float) -> Listing:
            try:
                listing = await self._fetch(meeting_id, began)
                self._keep(meeting_id, listing)
                return listing
            finally:
                del self._flights[meeting_id]

        flight = self._flights[meeting_id] = Flight(load)
        return flight

    def _keep(self, meeting_id: MeetingId, listing: Listing) -> None:
        before = self._kept.pop(meeting_id, None)
        self._kept[meeting_id] = listing
        self._recordings += len(listing.recordings) - (len(before.recordings) if before else 0)
        while len(self._kept) > _MEETINGS or (self._recordings > _RECORDINGS and len(self._kept) > 1):
            _, oldest = self._kept.popitem(last=False)
            self._recordings -= len(oldest.recordings)
