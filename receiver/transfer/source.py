"""A file at a download URL, refused where it changes (length, ETag), however many requests reading it takes.

Its bytes come in order, as a stream that survives cut connections and expired URLs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Protocol

from receiver import logs, metrics
from receiver.backoff import growing_pause_s
from receiver.errors import (
    JobError,
    SourceChangedError,
    SourceDeniedError,
    SourceEmptyError,
    SourceLengthMismatchError,
    SourceStalledError,
    SourceTooLargeError,
    SourceTruncatedError,
    SourceUnavailableError,
)
from receiver.transfer.extent import Extent, read_extent
from receiver.transfer.fetch import bad_status
from receiver.transfer.policy import origin_in, origin_of
from receiver.transfer.stop import Stop, StoppedError

if TYPE_CHECKING:
    from receiver.records import FreshUrl
    from receiver.transfer.cores import Cores
    from receiver.transfer.fetch import Answer, Fetcher
    from receiver.transfer.limits import Limits
    from receiver.transfer.pace import Pace, Throttle
    from receiver.transfer.stop import Threads

_URL_REFUSED = frozenset({400, 401, 403})  # 400 is S3's word for an expired temporary credential in the URL
BUFFER_BYTES = 256 * 1024
MAX_FRUITLESS = 3
"""So many interruptions without a new byte between them end the run."""
_log = logs.get("transfer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The ways out, and the bounds of one copy (`limits`) and of all together (`pace`, `throttle`, `cores`)."""

    fetcher: Fetcher
    threads: Threads
    cores: Cores
    limits: Limits
    pace: Pace
    throttle: Throttle | None


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


class Stream:
    """Bytes `first` to `end` of a source, read by one thread at a time from where `position` stands.

    Every call that reads may block, and raises `StoppedError` once `stop` was set.
    """

    def __init__(self, source: Source, stop: Stop, *, first: int, end: int, answer: Answer | None = None) -> None:
        self._source = source
        self._limits = source.shared.limits
        self._end = end
        self._answer = answer
        size_bytes = max(1, end - first)
        is_small = first == 0 and size_bytes <= source.shared.limits.small_file_bytes
        self._held = bytearray(size_bytes if is_small else min(BUFFER_BYTES, size_bytes))
        self._buffer = memoryview(self._held)
        self._ready = self._buffer[:0]
        self._fruitless = 0
        self.stop = stop
        self.position = first

    def read(self, limit: int) -> memoryview:
        """Return the next bytes, at least one and at most `limit`, good until the next call; none only at the end."""
        if not self._ready and self.position < self._end:
            self._ready = self._buffer[: self._receive(self._buffer)]
        chunk, self._ready = self._ready[:limit], self._ready[limit:]
        self.position += len(chunk)
        return chunk

    def read_into(self, buffer: memoryview) -> int:
        """Put the next bytes at the buffer's beginning and return how many, at least one; none only at the end."""
        if self._ready:
            count = min(len(self._ready), len(buffer))
            buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        else:
            count = self._receive(buffer) if self.position < self._end else 0
        self.position += count
        return count

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes, or all there are, leaving them to be read. Only before the first `read`."""
        wanted = min(count, self._end - self.position)
        while (have := len(self._ready)) < wanted:
            self._ready = self._buffer[: have + self._receive(self._buffer[have:wanted])]
        return bytes(self._ready)

    def read_all(self) -> bytearray:
        """Return the whole of a small file, which is good as long as this stream."""
        while (have := len(self._ready)) < self._end:
            self._ready = self._buffer[: have + self._receive(self._buffer[have:])]
        self.position = self._end
        self.finish()
        return self._held

    def seek(self, position: int) -> None:
        """Go on from another byte, dropping the connection unless it stands there already."""
        if self.stop.is_set or position != self.position:
            self.close()
            self.stop.clear()
            self.position = position

    def finish(self) -> None:
        """Make sure that no byte follows the last one that was promised."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        try:
            more = answer.readinto(self._buffer[:1])
        except (HTTPException, OSError):
            more = 0  # every promised byte has come; how the connection ended says nothing
        finally:
            answer.close()
        if more:
            raise SourceLengthMismatchError("more bytes came than the answer promised")

    def close(self) -> None:
        """Drop the connection and what came of it unread."""
        self._ready = self._buffer[:0]
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _receive(self, into: memoryview) -> int:
        received = self.position + len(self._ready)
        while True:
            try:
                if self._answer is None:
                    self._answer = self._source.get_from(received, self._end, self.stop)
                count = self._next_bytes(self._answer, into, received)
            # a fresh URL that is refused may be the old one again: signed in the same second, it has the same signature
            except (SourceDeniedError, SourceUnavailableError, SourceStalledError, SourceTruncatedError) as e:
                self._interrupted(e, received)
                continue
            if received + count > self._end:
                raise SourceLengthMismatchError("more bytes came than the answer promised")
            self._fruitless = 0
            metrics.bytes_read.inc(count)
            if (throttle := self._source.shared.throttle) is not None:
                self.stop.pause(throttle.wait_s(count, time.monotonic()))
            return count

    def _next_bytes(self, answer: Answer, into: memoryview, received: int) -> int:
        try:
            count = answer.readinto(into)
        except TimeoutError as e:
            raise SourceStalledError(
                f"no byte came for {self._limits.progress_timeout_s:g} s after byte {received}"
            ) from e
        except (HTTPException, OSError) as e:
            raise SourceTruncatedError(f"the download was cut at byte {received} of {self._end}") from e
        if not count:
            raise SourceTruncatedError(f"the download ended at byte {received} of {self._end}")
        return count

    def _interrupted(self, error: JobError, received: int) -> None:
        """Wait before the next request goes on at `received`, or raise where another cannot or did not help."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        if self.stop.is_set:
            raise StoppedError
        self._fruitless += 1
        asked_to_wait = (error.retry_after_s or 0) > self._limits.progress_timeout_s
        if not self._source.resumable or self._fruitless > MAX_FRUITLESS or asked_to_wait:
            raise error
        _log.info("source_interrupted", code=error.code, offset=received, fruitless=self._fruitless)
        pause_s = growing_pause_s(self._fruitless - 1, self._limits.pause_s)
        self.stop.pause(max(error.retry_after_s or 0.0, pause_s))
