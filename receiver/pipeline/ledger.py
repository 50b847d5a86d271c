"""Notes a copy's progress on its recording's row."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from receiver import failpoints, logs
from receiver.errors import StorageUnavailableError
from receiver.failpoints import Failpoint

if TYPE_CHECKING:
    from receiver.catalogue import Runs
    from receiver.records import Claim, UnfinishedUpload, UploadedPart, UrlOrigin

_log = logs.get("pipeline")


class RowLedger:
    """`receiver.transfer.Ledger` for one run; `recording` is the row as it was noted last."""

    def __init__(self, runs: Runs, claim: Claim, origin: UrlOrigin) -> None:
        self._runs = runs
        self._claim = claim
        self._origin = origin
        self._began_s = time.monotonic()
        self.source_host: str | None = None
        self.recording = claim.recording

    async def began(self, upload: UnfinishedUpload | None, key: str) -> None:
        """Note the key, the upload, who named the URL and its host."""
        if upload is not None:
            failpoints.reach(Failpoint.UPLOAD_OPENED)
        self.recording = await self._runs.note_upload(
            self._claim, key, upload, self._origin, source_host=self.source_host
        )
        self._began_s = time.monotonic()
        if upload is not None:
            failpoints.reach(Failpoint.UPLOAD_NOTED)

    async def stored(self, part: UploadedPart) -> None:
        """Note the part; without its note a later run sends it again, so a database that is away costs no more."""
        failpoints.reach(Failpoint.PART_STORED)
        try:
            await self._runs.note_part(self._claim, part, elapsed_s=time.monotonic() - self._began_s)
            failpoints.reach(Failpoint.PART_NOTED)
        except StorageUnavailableError as e:
            _log.warning("part_not_noted", part=part.number, error=str(e))
