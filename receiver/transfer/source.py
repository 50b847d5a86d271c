"""A file at a download URL: one identity (length, ETag), however many URLs and requests it takes to read it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from receiver import logs
from receiver.errors import (
    SourceChangedError,
    SourceDeniedError,
    SourceEmptyError,
    SourceLengthMismatchError,
    SourceTooLargeError,
    SourceTruncatedError,
)
from receiver.transfer.extent import Extent, read_extent
from receiver.transfer.fetch import bad_status
from receiver.transfer.policy import origin_in, origin_of
from receiver.transfer.stop import Stop
from receiver.transfer.stream import Stream

if TYPE_CHECKING:
    from receiver.records import FreshUrl
    from receiver.transfer.connection import Answer
    from receiver.transfer.shared import Shared

_URL_REFUSED = frozenset({400, 401, 403})  # 400 is S3's word for an expired temporary credential in the URL
_log = logs.get("transfer")


class Refresh(Protocol):
    """Names a URL of the file: any that is still good, or, after one was `rejected`, a newer one."""

    async def __call__(self, rejected: FreshUrl | None) -> FreshUrl:
        """Fetch or reuse a URL."""
        ...


class Source:
    """`size_bytes`, `etag` and `resumable` are known once it was opened; `origin` names the host for messages.

    Made on the event loop; what asks the host is called from threads.
    """

    def __init__(self, shared: Shared, refresh: Refresh) -> None:
        self.shared = shared
        self._refresh = refresh
        self._renewing = asyncio.Lock()
        self._url: FreshUrl | None = None
        self._first: Extent | None = None
        self.origin: str | None = None

    @property
    def size_bytes(self) -> int:
        return self._opened.total

    @property
    def etag(self) -> str | None:
        """The file's strong ETag, if the host told one."""
        return self._opened.etag

    @property
    def resumable(self) -> bool:
        return self._opened.resumable

    @property
    def _opened(self) -> Extent:
        if self._first is None:
            raise RuntimeError("the source has not been opened")
        return self._first

    def open(self, stop: Stop, upto: int | None = None) -> Stream:
        """Ask for the whole file, or for its first `upto` bytes, and return what comes as a stream."""
        answer, extent = self._get({"Range": f"bytes=0-{upto - 1 if upto else ''}"}, stop)
        try:
            if extent.total == 0:
                raise SourceEmptyError("the file has no bytes")
            if extent.total > (limit := self.shared.limits.max_file_bytes):
                raise SourceTooLargeError(f"the file has {extent.total} bytes, RECEIVER_MAX_FILE_BYTES allows {limit}")
            if extent.first != 0:
                raise SourceLengthMismatchError(f"the whole file was asked, the answer begins at byte {extent.first}")
        except BaseException:
            answer.close()
            raise
        self._first = extent
        return Stream(self, stop, first=0, end=extent.end if upto else extent.total, answer=answer)

    def section(self, first: int, end: int) -> Stream:
        """Return a second stream over some of the bytes; nothing is asked before it is read."""
        return Stream(self, Stop(), first=first, end=end)

    def get_from(self, first: int, end: int, stop: Stop) -> Answer:
        """Ask for bytes `first` to `end` of the very file that was opened."""
        opened = self._opened
        last = "" if end == opened.total else end - 1
        answer, extent = self._get({"Range": f"bytes={first}-{last}", "If-Match": opened.etag or "*"}, stop)
        try:
            if (extent.total, extent.etag) != (opened.total, opened.etag):
                raise SourceChangedError("the file's length or ETag changed while it was being read")
            if answer.status != 206:
                self._first = replace(opened, resumable=False)
                raise SourceTruncatedError("the host stopped serving ranges")
            if extent.first != first or extent.end > end:
                raise SourceLengthMismatchError(
                    f"bytes {first} to {end - 1} were asked, {extent.first} to {extent.end - 1} came"
                )
        except BaseException:
            answer.close()
            raise
        return answer

    def _get(self, headers: dict[str, str], stop: Stop) -> tuple[Answer, Extent]:
        """Send a GET; where the URL is refused, once more with a newer one."""
        url = stop.ask(self._current_url(None))
        answer = self.shared.fetcher.get(url.url, headers, stop)
        if answer.status in _URL_REFUSED:
            answer.close()
            _log.info("source_url_refused", origin=origin_of(answer.url), status=answer.status)
            url = stop.ask(self._current_url(url))
            answer = self.shared.fetcher.get(url.url, headers, stop)
        self.origin = origin_of(answer.url)
        try:
            if answer.status in _URL_REFUSED:
                raise SourceDeniedError(f"{origin_of(answer.url)} refused a fresh URL ({answer.status})")
            if answer.status not in {200, 206}:
                raise bad_status(answer)
            return answer, read_extent(answer.status, answer.headers)
        except BaseException:
            answer.close()
            raise

    async def _current_url(self, rejected: FreshUrl | None) -> FreshUrl:
        async with self._renewing:
            if self._url is None or self._url is rejected:
                self._url = await self._refresh(rejected)
                self.origin = origin_in(self._url.url)
            return self._url
