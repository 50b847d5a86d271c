"""Multipart uploads that no recording claims: what killed runs and given-up recordings left in the bucket (P5)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs, metrics

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.catalogue import Runs
    from receiver.objectstore import Bucket

STRAY_AFTER = timedelta(hours=6)
"""A run notes an upload on its row within seconds after it began it; the rest is for clocks that differ."""
_log = logs.get("pipeline")


async def end_strays(bucket: Bucket, runs: Runs, *, root: str, now: datetime) -> int:
    """Abort every upload under `root` that is old and not the noted one of a recording with work; return how many.

    Safe to repeat and to interrupt. The store is asked before the rows, so an upload that is noted meanwhile is seen.
    """
    old = [
        upload
        for upload in await bucket.open_uploads(root)
        if upload.begun_at is not None and upload.begun_at < now - STRAY_AFTER
    ]
    claimed = await runs.noted_uploads() if old else frozenset()
    strays = [upload for upload in old if upload not in claimed]
    for upload in strays:
        await bucket.abort_upload(upload)
        metrics.stray_uploads.inc()
        _log.warning("stray_upload_aborted", key=upload.key, begun_at=str(upload.begun_at))
    return len(strays)
