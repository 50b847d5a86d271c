"""The run itself. It knows the order of things and what a crash between any two of them leaves behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from receiver import failpoints, logs, metrics
from receiver.errors import (
    ApiPausedError,
    BucketMissingError,
    FenceLostError,
    InternalError,
    JobError,
    NoFreshUrlError,
    RecordingGoneError,
    RecordingNotListedYetError,
    SourceError,
    StorageUnavailableError,
    StoreDeniedError,
    WorkerCrashedError,
)
from receiver.failpoints import Failpoint
from receiver.lifecycle import Decision, RetryPolicy, decide
from receiver.meetings import url_expiry
from receiver.pipeline.gate import Gate
from receiver.pipeline.ledger import DownloadUrls, RowLedger
from receiver.pipeline.listing import NOT_LISTED, Listings
from receiver.pipeline.manifest import store_manifest
from receiver.records import Claim, Failure, FreshUrl, Recording, RecordingId, State, StoredFile, UrlOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from receiver.catalogue import Runs
    from receiver.meetings import MeetingsApi
    from receiver.objectstore import Bucket
    from receiver.pipeline.keys import KeyTemplate
    from receiver.records import UnfinishedUpload
    from receiver.transfer import Copier

_MAX_MESSAGE_CHARS = 1000
_log = logs.get("pipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineParts:
    """What a run works with.

    `api` is None where no credentials are set: then the payload's URL is used while it lives. `listing_grace_s` is how
    long a recording may stay out of the API's listing before it counts as missing; `note_every_s` is how much of a
    run's sending its row may lag behind, which is sent again where the run is killed; `jitter` is uniform in [0, 1).
    """

    runs: Runs
    api: MeetingsApi | None
    copier: Copier
    bucket: Bucket
    keys: KeyTemplate
    retries: RetryPolicy
    listing_grace_s: float
    note_every_s: float
    clock: Callable[[], datetime]
    jitter: Callable[[], float]


class Pipeline:
    """Runs jobs, one recording at a time each; as many at once as the caller likes."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts
        self._gate = Gate()
        self._listings = (
            None
            if parts.api is None
            else Listings(api=parts.api, runs=parts.runs, grace_s=parts.listing_grace_s, clock=parts.clock)
        )

    async def run(self, recording_id: RecordingId) -> None:
        """Work once on a recording and settle its row; a recording with nothing to do is left alone.

        Cancelled, it hands the recording back uncounted. A lost fence ends the run without a write. A database that
        is down ends it too: the row stays `archiving` and is taken over by a later run.
        """
        await self._gate.passed()
        claim = await self._claimed(recording_id)
        if claim is None:
            return
        failpoints.reach(Failpoint.CLAIMED)
        with logs.bound(recording_id=recording_id, meeting_id=claim.recording.meeting.id, attempt=claim.attempt):
            _log.info("recording_claimed")
            try:
                await self._archive(claim)
            except asyncio.CancelledError:
                await self._hand_back(claim)
                raise
            except (FenceLostError, StorageUnavailableError) as e:
                metrics.runs.labels(outcome="abandoned").inc()
                _log.warning("run_abandoned", error=str(e))
            except JobError as e:
                if isinstance(e, (ApiPausedError, StoreDeniedError, BucketMissingError)):
                    self._gate.close(e.retry_after_s or 0.0, str(e))
                await _to_the_end(self._fail(claim, e))
            except Exception:  # noqa: BLE001  (whatever went wrong, the row must end in a named state)
                _log.exception("run_crashed")
                await _to_the_end(self._fail(claim, InternalError("the service failed on this recording")))

    async def _claimed(self, recording_id: RecordingId) -> Claim | None:
        """Claim the recording; a claim that was committed while this run was cancelled is handed back."""
        claiming = asyncio.ensure_future(self._parts.runs.claim(recording_id, now=self._parts.clock()))
        try:
            return await asyncio.shield(claiming)
        except StorageUnavailableError as e:
            _log.warning("claim_failed", recording_id=recording_id, error=str(e))
            return None
        except asyncio.CancelledError:
            await asyncio.wait({claiming})
            if claiming.exception() is None and (claim := claiming.result()) is not None:
                await self._hand_back(claim)
            raise

    async def _hand_back(self, claim: Claim) -> None:
        async def write() -> None:
            await self._parts.runs.hand_back(claim, now=self._parts.clock())
            _log.info("recording_handed_back")

        await _to_the_end(write())

    async def _archive(self, claim: Claim) -> None:
        if claim.attempt > self._parts.retries.max_attempts:
            await self._end_uploads(claim, keep=None)
            raise WorkerCrashedError(f"{claim.attempt - 1} runs ended without a word (killed or out of memory)")
        await self._end_uploads(claim, keep=claim.upload)
        claim, url = await self._confirmed(claim)
        stored, recording = await self._adopted(claim) or await self._copied(claim, url)
        failpoints.reach(Failpoint.OBJECT_STORED)
        self._gate.open()
        archived_at = self._parts.clock()
        await store_manifest(self._parts.bucket, recording, stored, archived_at=archived_at)
        failpoints.reach(Failpoint.MANIFEST_STORED)
        await self._parts.runs.finish(claim, stored, now=archived_at)
        failpoints.reach(Failpoint.ARCHIVED)
        metrics.runs.labels(outcome="archived").inc()
        metrics.bytes_stored.inc(stored.size_bytes)
        metrics.archive_seconds.observe(max(0.0, (archived_at - recording.first_seen_at).total_seconds()))
        _log.info("recording_archived", key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256)
        if stored.version > 1:
            metrics.changed_files.labels(outcome="kept").inc()
            _log.warning("recording_file_changed", key=stored.key, version=stored.version)

    async def _end_uploads(self, claim: Claim, *, keep: UnfinishedUpload | None) -> None:
        """End what runs that were killed left open under the recording's key, but for the one to go on with.

        No other recording's key is this one.
        """
        if claim.key is None:
            return
        for upload in await self._parts.bucket.open_uploads(claim.key):
            if upload.key == claim.key and (keep is None or upload != keep.upload):
                await self._parts.bucket.abort_upload(upload)
                _log.info("stray_upload_aborted", key=claim.key)

    async def _adopted(self, claim: Claim) -> tuple[StoredFile, Recording] | None:
        """Prove and keep an object that an earlier run completed before it could record it."""
        if claim.noted is None:
            return None
        stored = await self._parts.copier.prove_existing(target=self._parts.bucket, noted=claim.noted)
        if stored is None:
            return None
        await self._end_uploads(claim, keep=None)
        _log.info("object_adopted", key=stored.key)
        return stored, claim.recording

    async def _copied(self, claim: Claim, url: FreshUrl | None) -> tuple[StoredFile, Recording]:
        def key_for(extension: str) -> str:
            return self._parts.keys.key(claim.recording, extension)

        urls = DownloadUrls(partial(self._fresh_url, claim), first=url)
        ledger = RowLedger(self._parts.runs, claim, urls, note_every_s=self._parts.note_every_s)
        stored = await self._parts.copier.copy(
            refresh=urls, target=self._parts.bucket, key_for=key_for, ledger=ledger, resume=claim.upload
        )
        return stored, ledger.recording

    async def _confirmed(self, claim: Claim) -> tuple[Claim, FreshUrl | None]:
        """Let the API say what the recording is before anything is stored of it; return its URL where it names one.

        What an earlier run stored stays to be recorded, though the platform may have forgotten it since.
        """
        if self._listings is None:
            return claim, None
        try:
            return await self._listings.confirmed(claim)
        except (RecordingGoneError, RecordingNotListedYetError):
            if not claim.is_listed or claim.noted is None:
                raise
            return claim, None

    async def _fresh_url(self, claim: Claim, rejected: FreshUrl | None) -> FreshUrl:
        if self._listings is None:
            return self._payload_url(claim, rejected)
        return await self._listings.url(claim, rejected)

    def _payload_url(self, claim: Claim, rejected: FreshUrl | None) -> FreshUrl:
        if claim.payload_url is None:
            raise NoFreshUrlError("the delivery brought no download URL")
        expires_at = url_expiry(claim.payload_url, fetched_at=claim.recording.first_seen_at)
        if rejected is not None or expires_at <= self._parts.clock():
            raise NoFreshUrlError(f"the delivery's download URL expired at {expires_at:%Y-%m-%d %H:%M} UTC")
        return FreshUrl(url=claim.payload_url, expires_at=expires_at, origin=UrlOrigin.PAYLOAD)

    async def _fail(self, claim: Claim, error: JobError) -> None:
        now = self._parts.clock()
        decision = decide(
            error, attempts=claim.attempt, policy=self._parts.retries, now=now, jitter=self._parts.jitter()
        )
        failure = Failure(
            code=error.code,
            message=_kept(str(error)),
            at=now,
            origin=_kept(error.refused or "") or None if isinstance(error, SourceError) else None,
            setting=error.setting,
        )
        decision = await self._parts.runs.settle(claim, decision, failure, unless_named=isinstance(error, NOT_LISTED))
        metrics.runs.labels(outcome=error.code).inc()
        _report(decision, failure)


async def _to_the_end(write: Coroutine[Any, Any, None]) -> None:
    """Let a run's last write end, whoever cancels the run meanwhile; a row it may no longer write is left as it is."""
    writing = asyncio.ensure_future(write)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        writing.exception()  # looked at: whether or not it wrote, this run is over
        raise
    except (FenceLostError, StorageUnavailableError) as e:
        _log.warning("run_abandoned", error=str(e))


def _kept(text: str) -> str:
    return logs.redact(text)[:_MAX_MESSAGE_CHARS]


def _report(decision: Decision, failure: Failure) -> None:
    fields = {"code": failure.code, "error": failure.message}
    if decision.state is State.WAITING:
        _log.warning("recording_rescheduled", next_attempt_at=str(decision.next_attempt_at), **fields)
    else:
        _log.error(f"recording_{decision.state}", **fields)
