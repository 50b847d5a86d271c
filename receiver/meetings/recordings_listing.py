"""A meeting's recordings as the API lists them, read entry by entry, and the cache of these listings.

A listing is read entry by entry: a bad one does not stop the good ones.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from receiver import logs
from receiver.errors import ApiUnavailableError
from receiver.meetings import fields
from receiver.meetings.answer import read_listing
from receiver.meetings.single_flight import SingleFlight
from receiver.meetings.url_expiry import url_expiry
from receiver.records import FreshUrl, ListedRecording, RecordingId, UrlOrigin, is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from receiver.records import MeetingId

_CACHED_MEETINGS = 256
_CACHED_RECORDINGS = 50_000  # over all meetings; about 100 MB at the most
_LOGGED = 10  # entries of one listing that get a line of their own

log = logs.get("meetings_api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One fetch of a meeting's recordings. `began` and `ended` are monotonic seconds."""

    began: float
    ended: float
    recordings: dict[RecordingId, ListedRecording]
    refused: frozenset[str] = frozenset()
    """Ids that the API listed as another meeting's."""
    dropped: int = 0
    """Entries that could not be read."""

    def url(self, recording_id: RecordingId) -> FreshUrl | None:
        listed = self.recordings.get(recording_id)
        return None if listed is None else listed.url


class ListingCache:
    """The last listing of each meeting. A fetch that fails does so for all its callers, and leaves no trace."""

    def __init__(self, fetch: Callable[[MeetingId, float], Coroutine[Any, Any, Listing]]) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[MeetingId, Listing] = OrderedDict()
        self._recordings = 0
        self._flights: dict[MeetingId, SingleFlight[Listing]] = {}
        self._closed = False

    def kept(self, meeting_id: MeetingId) -> Listing | None:
        return self._kept.get(meeting_id)

    async def get(self, meeting_id: MeetingId, *, since: float) -> Listing:
        """Return a listing whose fetch began at `since` (monotonic) or later, from memory where there is one.

        While a fetch is under way that began too early, it waits for its end and shares the next one.
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

    def _start(self, meeting_id: MeetingId) -> SingleFlight[Listing]:
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

        flight = self._flights[meeting_id] = SingleFlight(load)
        return flight

    def _keep(self, meeting_id: MeetingId, listing: Listing) -> None:
        before = self._kept.pop(meeting_id, None)
        self._kept[meeting_id] = listing
        self._recordings += len(listing.recordings) - (len(before.recordings) if before else 0)
        while len(self._kept) > _CACHED_MEETINGS or (self._recordings > _CACHED_RECORDINGS and len(self._kept) > 1):
            _, oldest = self._kept.popitem(last=False)
            self._recordings -= len(oldest.recordings)


@dataclass(slots=True)
class Entries:
    """What became of a listing's entries; `dropped` are those without a usable id or URL."""

    kept: dict[RecordingId, ListedRecording] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    dropped: list[tuple[int, str]] = field(default_factory=list)


def read_entries(body: bytes, meeting_id: MeetingId, *, fetched_at: datetime) -> Entries:
    """Read an answer's body, or raise `ApiBadAnswerError` where it is no JSON array, or too large."""
    entries = Entries()
    for index, entry in enumerate(read_listing(body, "the recordings listing")):
        _sort(entries, index, entry, meeting_id, fetched_at)
    _report(entries, meeting_id)
    return entries


def _sort(entries: Entries, index: int, entry: object, meeting_id: MeetingId, fetched_at: datetime) -> None:
    if not isinstance(entry, dict):
        entries.dropped.append((index, "not an object"))
        return
    recording_id, url, room_id = entry.get("_id"), fields.url(entry.get("download_url")), entry.get("room_id")
    if not is_id(recording_id):
        entries.dropped.append((index, "_id is not an id"))
    elif room_id is not None and room_id != meeting_id:
        entries.refused.add(recording_id)
    elif url is None:
        entries.dropped.append((index, "download_url is missing or not text"))
    elif recording_id in entries.kept:
        entries.dropped.append((index, "_id is listed twice"))
    else:
        entries.kept[RecordingId(recording_id)] = ListedRecording(
            id=RecordingId(recording_id),
            meeting_id=meeting_id,
            url=FreshUrl(url=url, expires_at=url_expiry(url, fetched_at=fetched_at), origin=UrlOrigin.API),
            vendor=fields.vendor_facts(entry),
        )


def _report(entries: Entries, meeting_id: MeetingId) -> None:
    for recording_id in sorted(entries.refused)[:_LOGGED]:
        log.error("listing_entry_refused", meeting_id=meeting_id, recording_id=recording_id, reason="another meeting's")
    for index, reason in entries.dropped[:_LOGGED]:
        log.warning("listing_entry_dropped", meeting_id=meeting_id, index=index, reason=reason)
    if max(len(entries.refused), len(entries.dropped)) > _LOGGED:
        log.warning(
            "listing_mostly_unusable",
            meeting_id=meeting_id,
            refused=len(entries.refused),
            dropped=len(entries.dropped),
        )
