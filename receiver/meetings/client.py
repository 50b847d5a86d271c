"""Asks the Meetings API: which meetings are there, what does one have, where is this file now; and deletes."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from receiver import metrics
from receiver.errors import (
    ApiBadAnswerError,
    ApiError,
    ApiRefusedError,
    ApiUnauthorizedError,
    JobError,
    RecordingGoneError,
    RecordingNotListedYetError,
    codes,
)
from receiver.meetings.access import AdminKey
from receiver.meetings.http_client import open_http_client
from receiver.meetings.meetings_listing import (
    MOST_PAGES,
    MOST_STALE_PAGES,
    MeetingTime,
    page_query,
    read_meeting,
    read_page,
)
from receiver.meetings.pacing import RequestPolicy
from receiver.meetings.recordings_listing import Listing, ListingCache, read_entries
from receiver.meetings.refusal import listing_refusal
from receiver.meetings.session import access_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from typing import Protocol

    from receiver.meetings.access import Access, Credentials
    from receiver.meetings.answer import ApiAnswer
    from receiver.meetings.http_client import HttpClient
    from receiver.meetings.meetings_listing import MeetingsPage
    from receiver.meetings.pacing import SharedPause
    from receiver.records import FreshUrl, ListedMeeting, ListedRecording, MeetingId, RecordingId

    class Send(Protocol):
        async def __call__(self, path: str, *, header: str, secret: str) -> ApiAnswer: ...


metrics.foresee(metrics.api_errors, "code", codes(ApiError))
_KEPT_MEETINGS = 256
_THREAD_BYTES = 128 * 1024  # a body larger than this takes milliseconds to parse, so the event loop is spared


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """A listing serves for `listing_max_age_s`; a URL in it only while more than `url_margin_s` of its life is left.

    `credentials` gives those now valid, always of one kind. At most `rate_per_s` requests are sent, any number where it
    is None.
    """

    url: str
    credentials: Callable[[], Credentials]
    timeout_s: float = 20
    url_margin_s: float = 300
    listing_max_age_s: float = 60
    rate_per_s: float | None = None


class MeetingsApi:
    """The client, shared by all jobs of a process: they wait for one login, one listing and one pause."""

    def __init__(self, config: ApiConfig, http: HttpClient) -> None:
        self._config = config
        self._http = http
        self._access: Access = access_for(config.credentials, http)
        self._listings = ListingCache(self._fetch)
        self.answered_at = -math.inf
        """When recordings were last listed well, by the monotonic clock: what is told from memory says nothing."""
        self._meetings: OrderedDict[MeetingId, tuple[float, ListedMeeting | None]] = OrderedDict()

    async def recordings(
        self, meeting_id: MeetingId, *, newer_than_s: float | None = None
    ) -> tuple[ListedRecording, ...]:
        """Return a meeting's recordings, from memory where a listing is newer than `newer_than_s` (0: ask anew)."""
        age_s = self._config.listing_max_age_s if newer_than_s is None else newer_than_s
        listing = await self._listings.get(meeting_id, since=time.monotonic() - age_s)
        return tuple(listing.recordings.values())

    async def all_recordings(self, meeting_id: MeetingId) -> tuple[ListedRecording, ...]:
        """Ask anew for a meeting's recordings; raises `ApiBadAnswerError` rather than leave an entry out."""
        listing = await self._listings.get(meeting_id, since=time.monotonic())
        if listing.refused or listing.dropped:
            raise ApiBadAnswerError(
                "the Meetings API listed entries that cannot be read, or are another meeting's (events "
                "listing_entry_…)",
                "",
            )
        return tuple(listing.recordings.values())

    async def delete_recordings(self, meeting_id: MeetingId) -> None:
        """Delete all recordings of a meeting at the platform, also those that no listing has shown.

        Only an administration key may; `ApiRefusedError` with others. Raises `RecordingGoneError` for a meeting that
        the API does not know.
        """
        if not isinstance(self._config.credentials(), AdminKey):
            raise ApiRefusedError("only RECEIVER_API_ADMIN_KEY may delete recordings at the platform", "")
        await self._answer(self._http.delete, self._recordings_path(meeting_id), what="this meeting's recordings")

    @property
    def lists_meetings(self) -> bool:
        """Tell whether the API lists meetings for these credentials; for an administration key it does not."""
        return self._access.meetings_path is not None

    async def meetings(self, by: MeetingTime, since: datetime, *, offset: int = 0) -> AsyncGenerator[MeetingsPage]:
        """Yield the pages of the user's meetings whose time is `since` or later, in the API's order, whatever it is.

        Pages may be short, overlap, or hold other meetings than were asked for. The listing ends with an empty page,
        with one that says the same as the page before, by which an API that ignores `offset` is known, or where some
        pages in a row bring nothing new. Raises `ApiBadAnswerError` for one without end.
        """
        before: object = None
        seen: set[MeetingId] = set()
        stale = 0
        for _ in range(MOST_PAGES):
            try:
                answer = await self._meetings_answer(page_query(by, since, offset=offset))
            except RecordingGoneError as e:
                raise ApiBadAnswerError("the Meetings API answered 404 to GET /meetings") from e
            with _counted():
                page = await asyncio.to_thread(read_page, answer.body)
            says = frozenset(listed.meeting.id for listed in page.meetings) or answer.body
            stale = 0 if any(listed.meeting.id not in seen for listed in page.meetings) else stale + 1
            if not page.entries or says == before or stale >= MOST_STALE_PAGES:
                return
            yield page
            offset, before = offset + page.entries, says
            seen.update(listed.meeting.id for listed in page.meetings)
        raise ApiBadAnswerError(f"the meetings listing does not end within {MOST_PAGES} pages")

    async def meeting(self, meeting_id: MeetingId) -> ListedMeeting | None:
        """Return a meeting as the API lists it, from memory where that is new enough.

        None where the API lists none for these credentials, or not this one.
        """
        if self._access.meetings_path is None:
            return None
        asked, listed = self._meetings.get(meeting_id, (-math.inf, None))
        if asked > time.monotonic() - self._config.listing_max_age_s:
            return listed
        try:
            answer = await self._meetings_answer(urlencode({"_id": meeting_id}))
            with _counted():
                listed = read_meeting(answer.body, meeting_id)
        except RecordingGoneError:
            listed = None
        self._meetings[meeting_id] = (time.monotonic(), listed)
        self._meetings.move_to_end(meeting_id)
        if len(self._meetings) > _KEPT_MEETINGS:
            self._meetings.popitem(last=False)
        return listed

    async def listed(
        self,
        recording_id: RecordingId,
        meeting_id: MeetingId,
        *,
        rejected: FreshUrl | None = None,
        anew: bool = False,
    ) -> ListedRecording:
        """Return a recording as the API lists it, its URL with life left; with `anew`, not from memory.

        A URL that the storage `rejected` is answered by a newer listing. Raises `RecordingNotListedYetError` where a
        listing that began after this call lacks the recording, and `ApiBadAnswerError` where it calls it another
        meeting's.
        """
        called = time.monotonic()
        since = called if anew else called - self._config.listing_max_age_s
        kept = self._listings.kept(meeting_id)
        if rejected is not None and kept is not None and kept.url(recording_id) == rejected:
            since = max(since, _just_after(kept))
        listing = await self._listings.get(meeting_id, since=since)
        url = listing.url(recording_id)
        if url is None and listing.began < called:
            listing = await self._listings.get(meeting_id, since=called)
        elif url is not None and listing.ended < called and self._is_short(url):
            listing = await self._listings.get(meeting_id, since=_just_after(listing))
        return _in(listing, recording_id)

    @property
    def user_id(self) -> int | None:
        """Whose session the last login opened, as far as the API told."""
        return self._access.user_id

    async def close(self) -> None:
        """End what is under way; its callers get `ApiUnavailableError`."""
        await self._listings.close()
        await self._access.close()

    def _is_short(self, url: FreshUrl) -> bool:
        return (url.expires_at - datetime.now(UTC)).total_seconds() <= self._config.url_margin_s

    def _recordings_path(self, meeting_id: MeetingId) -> str:
        if meeting_id in {"", ".", ".."}:
            raise ApiRefusedError(
                f"the Meetings API cannot be asked for a meeting with the id {meeting_id!r}, which no meeting of the "
                "platform has",
                "see who posted the delivery that named it, then cancel the recording",
            )
        return self._access.path + quote(meeting_id, safe="")

    async def _fetch(self, meeting_id: MeetingId, began: float) -> Listing:
        fetched_at = datetime.now(UTC)
        path = self._recordings_path(meeting_id)
        answer = await self._answer(self._http.get, path, what="this meeting's recordings")
        with _counted():
            if len(answer.body) <= _THREAD_BYTES:
                entries = read_entries(answer.body, meeting_id, fetched_at=fetched_at)
            else:
                entries = await asyncio.to_thread(read_entries, answer.body, meeting_id, fetched_at=fetched_at)
        self.answered_at = time.monotonic()
        return Listing(
            began=began,
            ended=self.answered_at,
            recordings=entries.kept,
            refused=frozenset(entries.refused),
            dropped=len(entries.dropped),
        )

    async def _meetings_answer(self, query: str) -> ApiAnswer:
        path = self._access.meetings_path
        if path is None:
            raise ApiRefusedError(f"the Meetings API lists no meetings for {self._access.setting}", "name their ids")
        return await self._answer(self._http.get, f"{path}?{query}", what="the user's meetings")

    async def _answer(self, send: Send, path: str, *, what: str) -> ApiAnswer:
        """Ask with the current secret, and once more with a new one after a 401 where there can be a new one."""
        with _counted():
            access = self._access
            secret = await access.secret()
            if not secret.isprintable():
                raise ApiUnauthorizedError(
                    f"{access.setting} holds a line break or another control character, so the API was not asked",
                    "write it on one line",
                )
            answer = await send(path, header=access.header, secret=secret)
            if answer.status == 401 and (newer := await access.replaced(secret)) is not None:
                secret = newer
                answer = await send(path, header=access.header, secret=secret)
            if answer.status != 200:
                raise listing_refusal(answer, setting=access.setting, what=what)
            access.used(secret, answer)
            return answer


@asynccontextmanager
async def open_api(config: ApiConfig, *, shared: SharedPause | None = None) -> AsyncIterator[MeetingsApi]:
    """Open the client; nothing is sent before the first question. `shared` lets other processes keep its pauses."""
    policy = RequestPolicy(patience_s=config.timeout_s, rate_per_s=config.rate_per_s, shared=shared)
    async with open_http_client(config.url, policy, timeout_s=config.timeout_s) as http:
        api = MeetingsApi(config, http)
        try:
            yield api
        finally:
            await api.close()


@contextmanager
def _counted() -> Iterator[None]:
    try:
        yield
    except JobError as e:
        metrics.api_errors.labels(code=e.code).inc()
        raise


def _just_after(listing: Listing) -> float:
    return math.nextafter(listing.began, math.inf)


def _in(listing: Listing, recording_id: RecordingId) -> ListedRecording:
    if (listed := listing.recordings.get(recording_id)) is not None:
        return listed
    if recording_id in listing.refused:
        error = ApiBadAnswerError(
            "the Meetings API listed this recording as another meeting's, so it was not fetched",
            "compare the delivery that named it with the platform, and see who posted it",
        )
        error.side = None  # it answers, and others well
        raise error
    raise RecordingNotListedYetError("the Meetings API does not list this recording (yet)")
