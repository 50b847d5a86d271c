"""What a copy asks of its run and tells it: whence the file comes, and how far it is, noted on the row."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from receiver import failpoints, logs
from receiver.errors import Side, StorageUnavailableError
from receiver.failpoints import Failpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from receiver.catalogue import Runs
    from receiver.records import Claim, FreshUrl, NotedObject, ObjectHead, UnfinishedUpload, UploadedPart

_NOTE_READ_EVERY_S = 2.0
_log = logs.get("pipeline")


class DownloadUrls:
    """`receiver.transfer.Refresh` for one run, which may know the `first` URL; `latest` is what the copy got last."""

    def __init__(self, ask: Callable[[FreshUrl | None], Awaitable[FreshUrl]], *, first: FreshUrl | None = None) -> None:
        self._ask = ask
        self._first = first
        self._latest: FreshUrl | None = None

    async def __call__(self, rejected: FreshUrl | None) -> FreshUrl:
        """Ask for a URL, or for a newer one than was `rejected`."""
        first, self._first = self._first, None
        self._latest = fresh = first if first is not None and rejected is None else await self._ask(rejected)
        failpoints.reach(Failpoint.URL_REFRESHED)
        return fresh

    @property
    def host(self) -> str | None:
        """Whom the copy was sent to last, None where to nobody."""
        return None if self._latest is None else self._latest.host

    @property
    def latest(self) -> FreshUrl:
        assert self._latest is not None  # noqa: S101  (a copy opens its source before it stores anything)
        return self._latest


class ReadBackNotes:
    """Notes on the row how much of its object was read back: seldom, and what is read quickly not at all."""

    def __init__(self, runs: Runs, claim: Claim) -> None:
        self._runs = runs
        self._claim = claim
        self._noted_s = time.monotonic()

    async def __call__(self, read_bytes: int) -> None:
        """Note it where the last note is old; a database that is away ends no read."""
        if time.monotonic() - self._noted_s < _NOTE_READ_EVERY_S:
            return
        try:
            await self._runs.note_read_back(self._claim, read_bytes)
        except StorageUnavailableError as e:
            _log.warning("read_back_not_noted", error=str(e))
        self._noted_s = time.monotonic()


class RowLedger:
    """`receiver.transfer.Ledger` for one run, which reads from `urls` whence the file comes.

    `took` is told which side did something for the copy; `recording` is the row as it was noted last.
    """

    def __init__(
        self, runs: Runs, claim: Claim, urls: DownloadUrls, *, note_every_s: float, took: Callable[[Side], None]
    ) -> None:
        self._runs = runs
        self._claim = claim
        self._urls = urls
        self._note_every_s = note_every_s
        self._took = took
        self._upload: UnfinishedUpload | None = None
        self._unnoted: list[UploadedPart] = []
        self._noting = asyncio.Lock()
        self._began_s = time.monotonic()
        self._noted_s = -math.inf  # the first part is noted at once
        self._read_back = ReadBackNotes(runs, claim)
        self.recording = claim.recording

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None:
        """Note the key, the upload, who named the URL and its host."""
        self._took(Side.SOURCE)
        if upload is not None:
            failpoints.reach(Failpoint.UPLOAD_OPENED)
        self._upload = upload
        url = self._urls.latest
        self.recording = await self._runs.note_upload(self._claim, key, upload, url.origin, source_host=url.host)
        self._began_s = time.monotonic()
        if upload is not None:
            failpoints.reach(Failpoint.UPLOAD_NOTED)

    async def stored(self, part: UploadedPart) -> None:
        """Note the part, together with others that came soon before it.

        Without its note a later run sends it again, so a database that is away costs no more than that.
        """
        failpoints.reach(Failpoint.PART_STORED)
        self._took(Side.STORE)
        _log.debug("part_stored", number=part.number, size_bytes=part.size_bytes)
        self._unnoted.append(part)
        if time.monotonic() - self._noted_s >= self._note_every_s and not self._noting.locked():
            async with self._noting:
                await self._note()

    async def completing(self, noted: NotedObject) -> None:
        """Note the size and checksum of what is about to be an object."""
        url = self._urls.latest
        self.recording = await self._runs.note_object(
            self._claim, noted, self._upload, url.origin, source_host=url.host
        )

    async def aborted(self) -> None:
        """Have the row forget the upload and its parts: what it showed of them as done is to be sent again."""
        self._unnoted.clear()
        try:
            await self._runs.forget_upload(self._claim)
        except StorageUnavailableError as e:
            _log.warning("parts_not_forgotten", error=str(e))

    async def read_back(self, read_bytes: int) -> None:
        """Note how much of the stored object has been read back."""
        await self._read_back(read_bytes)

    def left_unproven(self, head: ObjectHead) -> bool:
        """Compare with what an earlier run noted before it stored it."""
        return self._claim.noted is not None and self._claim.noted.is_told_otherwise(head)

    def came_before(self, sha256: str) -> bool:
        """Compare with the bytes that the row says came cut."""
        return sha256 == self._claim.cut_sha256

    async def _note(self) -> None:
        self._noted_s = now_s = time.monotonic()
        parts, self._unnoted = self._unnoted, []
        try:
            await self._runs.note_parts(self._claim, parts, elapsed_s=now_s - self._began_s)
            failpoints.reach(Failpoint.PART_NOTED)
        except StorageUnavailableError as e:
            self._unnoted = parts + self._unnoted
            _log.warning("parts_not_noted", parts=len(self._unnoted), error=str(e))
