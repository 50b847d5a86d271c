"""The run itself. It knows the order of things and what a crash between any two of them leaves behind."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from receiver import failpoints, logs, metrics, traces
from receiver.errors import (
    FenceLostError,
    InternalError,
    JobError,
    NoFreshUrlError,
    NotAloneError,
    RecordingGoneError,
    RecordingNotListedYetError,
    Side,
    SourceError,
    SourceUnavailableError,
    StorageUnavailableError,
    StoreError,
    WorkerCrashedError,
)
from receiver.failpoints import Failpoint
from receiver.lifecycle import Decision, after_crash, decide, wait_out
from receiver.meetings import url_expiry
from receiver.objectstore import store_manifest
from receiver.pipeline.ending import failure_of, judged, report, report_abandoned, to_the_end
from receiver.pipeline.gates import Gates
from receiver.pipeline.ledger import DownloadUrls, ReadBackNotes, RowLedger
from receiver.pipeline.listing import NOT_LISTED, Listings
from receiver.pipeline.turns import Turns
from receiver.records import Claim, FreshUrl, Recording, RecordingId, StoredFile, UrlOrigin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager
    from typing import Any

    from receiver.pipeline.parts import PipelineParts
    from receiver.records import Failure, UnfinishedUpload

T = TypeVar("T")
_log = logs.get("pipeline")


class Pipeline:
    """Runs jobs, one recording at a time each; as many at once as the caller likes."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts
        self._gates = Gates(parts.retries, clock=parts.clock, jitter=parts.jitter)
        self._turns = Turns()
        self._abandoned: dict[RecordingId, int] = {}
        """The fences of runs whose end the database did not take: whoever finds such a row found no crash."""
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
        try:
            await self._gates.passed(recording_id)
            try:
                async with self._turns.together():
                    await self._run_once(recording_id, is_alone=False)
            except NotAloneError:
                async with self._turns.alone():
                    await self._run_once(recording_id, is_alone=True)
        finally:
            self._gates.release(recording_id)

    async def _run_once(self, recording_id: RecordingId, *, is_alone: bool) -> None:
        claim = await self._claimed(recording_id, is_alone=is_alone)
        if claim is None:
            return
        failpoints.reach(Failpoint.CLAIMED)
        trace = traces.of_delivery(claim.delivery_id, claim.traceparent)
        with _bound(claim, trace), traces.followed(trace):
            _log.info("recording_claimed", **({"crashes": claim.crashes} if claim.crashes else {}))
            try:
                if not await self._held_off(claim):
                    await self._archive(claim)
            except asyncio.CancelledError:
                await self._hand_back(claim)
                raise
            except FenceLostError as e:
                report_abandoned(e)
            except StorageUnavailableError as e:
                report_abandoned(e)
                self._abandoned[claim.recording.id] = claim.fence
            except JobError as e:
                await self._fail(claim, await judged(e, self._parts.store))
            except Exception:  # noqa: BLE001  (whatever went wrong, the row must end in a named state)
                _log.exception("run_crashed")
                await self._fail(claim, InternalError("the service failed on this recording"))

    async def _claimed(self, recording_id: RecordingId, *, is_alone: bool) -> Claim | None:
        """Claim the recording; a claim that was committed while this run was cancelled is handed back."""
        runs, now = self._parts.runs, self._parts.clock()
        abandoned = self._abandoned.get(recording_id)
        claiming = asyncio.ensure_future(runs.claim(recording_id, now=now, is_alone=is_alone, abandoned=abandoned))
        try:
            claim = await asyncio.shield(claiming)
        except StorageUnavailableError as e:
            _log.warning("claim_failed", recording_id=recording_id, error=str(e))
            return None
        except asyncio.CancelledError:
            await asyncio.wait({claiming})
            if claiming.exception() is None and (claim := claiming.result()) is not None:
                await self._hand_back(claim)
            raise
        self._abandoned.pop(recording_id, None)
        return claim

    async def _held_off(self, claim: Claim) -> bool:
        """Put the recording off where its run is not to be: it crashed alone, or its host is left alone for now."""
        now = self._parts.clock()
        if claim.took_over and (decision := after_crash(claim.crashes, attempts=claim.attempt, now=now)) is not None:
            with suppress(StoreError):  # the sweep of stray uploads ends them too
                await self._end_uploads(claim, keep=None)
            crashed = WorkerCrashedError(
                f"{claim.crashes} runs in a row ended without a word (killed or out of memory), the last with no other "
                "beside it, so it is tried again by itself, but ever more rarely"
            )
            await self._settled(claim, crashed, decision, self._parts.runs.set_aside)
            return True
        closed = self._gates.host_closed(claim.source_host, claim.recording.id)
        if closed is not None:
            outage = SourceUnavailableError(f"{claim.source_host} is left alone for now: {closed[1]}", "")
            decision = wait_out(attempts=claim.attempt, now=now, left_s=closed[0])
            await self._settled(claim, outage, decision, self._parts.runs.settle)
        return closed is not None

    async def _hand_back(self, claim: Claim) -> None:
        async def write() -> None:
            await self._parts.runs.hand_back(claim, now=self._parts.clock())
            _log.info("recording_handed_back")

        if not await to_the_end(write()):
            self._abandoned[claim.recording.id] = claim.fence

    async def _archive(self, claim: Claim) -> None:
        await self._parts.store.ready()
        await self._end_uploads(claim, keep=claim.upload)
        claim, url = await self._confirmed(claim)
        stored, recording = await self._adopted(claim) or await self._copied(claim, url)
        failpoints.reach(Failpoint.OBJECT_STORED)
        archived_at = self._parts.clock()
        await store_manifest(self._parts.bucket, recording, stored, archived_at=archived_at)
        self._gates.served(Side.STORE, claim.recording.id)
        failpoints.reach(Failpoint.MANIFEST_STORED)
        await self._parts.runs.finish(claim, stored, now=archived_at)
        failpoints.reach(Failpoint.ARCHIVED)
        metrics.runs.labels(outcome="archived").inc()
        metrics.bytes_stored.inc(stored.size_bytes)
        metrics.archive_seconds.observe(max(0.0, (archived_at - recording.first_seen_at).total_seconds()))
        _log.info("recording_archived", key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256)
        if stored.incomplete is not None:
            metrics.incomplete_files.inc()
            _log.warning("recording_incomplete", key=stored.key, reason=stored.incomplete)
        if stored.version > 1:
            metrics.changed_files.labels(outcome="kept").inc()
            _log.warning("recording_file_changed", key=stored.key, version=stored.version)

    async def _end_uploads(self, claim: Claim, *, keep: UnfinishedUpload | None) -> None:
        """End what runs that were killed left open under the recording's key, but for the one to go on with.

        No other recording's key is this one.
        """
        if claim.key is None:
            return
        abilities = self._parts.bucket.abilities
        found = set(await self._parts.bucket.open_uploads(claim.key))
        if claim.upload is not None and abilities.aborts and not abilities.lists_uploads:
            found.add(claim.upload.upload)
        for upload in found:
            if upload.key == claim.key and (keep is None or upload != keep.upload):
                await self._parts.bucket.abort_upload(upload)
                _log.info("stray_upload_aborted", key=claim.key)

    async def _adopted(self, claim: Claim) -> tuple[StoredFile, Recording] | None:
        """Prove and keep an object that an earlier run completed before it could record it."""
        if claim.noted is None:
            return None
        stored = await self._parts.copier.prove_existing(
            target=self._parts.bucket, noted=claim.noted, note=ReadBackNotes(self._parts.runs, claim)
        )
        if stored is None:
            return None
        await self._end_uploads(claim, keep=None)
        _log.info("object_adopted", key=stored.key)
        return stored, claim.recording

    async def _copied(self, claim: Claim, url: FreshUrl | None) -> tuple[StoredFile, Recording]:
        def key_for(extension: str) -> str:
            return self._parts.keys.key(claim.recording, extension)

        def took(side: Side) -> None:
            self._gates.took(side, urls.host if side is Side.SOURCE else None)

        urls = DownloadUrls(partial(self._fresh_url, claim), first=url)
        ledger = RowLedger(self._parts.runs, claim, urls, note_every_s=self._parts.note_every_s, took=took)
        try:
            stored = await self._parts.copier.copy(
                refresh=urls, target=self._parts.bucket, key_for=key_for, ledger=ledger, resume=claim.upload
            )
        except SourceError as e:
            e.host = urls.host
            raise
        self._gates.served(Side.SOURCE, claim.recording.id, urls.host)
        return stored, ledger.recording

    async def _confirmed(self, claim: Claim) -> tuple[Claim, FreshUrl | None]:
        """Let the API say what the recording is before anything is stored of it; return its URL where it names one.

        What an earlier run stored stays to be recorded, though the platform may have forgotten it since.
        """
        if self._listings is None:
            return claim, None
        try:
            return await self._asked(claim, self._listings.confirmed(claim))
        except (RecordingGoneError, RecordingNotListedYetError):
            if not claim.is_listed or claim.noted is None:
                raise
            return claim, None

    async def _fresh_url(self, claim: Claim, rejected: FreshUrl | None) -> FreshUrl:
        if self._listings is None:
            return self._payload_url(claim, rejected)
        return await self._asked(claim, self._listings.url(claim, rejected))

    async def _asked(self, claim: Claim, answer: Awaitable[T]) -> T:
        """Return the API's answer, and note of the API whether it serves."""
        assert self._parts.api is not None  # noqa: S101  (only listings ask)
        began = time.monotonic()
        try:
            return await answer
        except JobError as e:
            if e.side is None:  # it answered, though not with a URL
                self._gates.served(Side.API, claim.recording.id)
            raise
        finally:
            if self._parts.api.answered_at > began:
                self._gates.served(Side.API, claim.recording.id)

    def _payload_url(self, claim: Claim, rejected: FreshUrl | None) -> FreshUrl:
        if claim.payload_url is None:
            raise NoFreshUrlError("the delivery brought no download URL")
        expires_at = url_expiry(claim.payload_url, fetched_at=claim.recording.first_seen_at)
        if rejected is not None or expires_at <= self._parts.clock():
            raise NoFreshUrlError(f"the delivery's download URL expired at {expires_at:%Y-%m-%d %H:%M} UTC")
        return FreshUrl(url=claim.payload_url, expires_at=expires_at, origin=UrlOrigin.PAYLOAD)

    async def _fail(self, claim: Claim, error: JobError) -> None:
        host = error.host if isinstance(error, SourceError) else None
        outage_s, attempts, now = self._gates.failed(error, claim, host), claim.attempt, self._parts.clock()
        if outage_s is not None:
            decision = wait_out(attempts=attempts, now=now, left_s=outage_s, asked_s=error.retry_after_s or 0.0)
        else:
            parts = self._parts
            decision = decide(error, attempts=attempts, policy=parts.retries, now=now, jitter=parts.jitter())
        settle = partial(self._parts.runs.settle, source_host=host, unless_named=isinstance(error, NOT_LISTED))
        await self._settled(claim, error, decision, settle)

    async def _settled(
        self,
        claim: Claim,
        error: JobError,
        decision: Decision,
        write: Callable[[Claim, Decision, Failure], Coroutine[Any, Any, Decision]],
    ) -> None:
        failure = failure_of(error, decision, at=self._parts.clock())

        async def settle() -> None:
            report(await write(claim, decision, failure), failure)

        if not await to_the_end(settle()):
            self._abandoned[claim.recording.id] = claim.fence


def _bound(claim: Claim, trace: traces.Trace) -> AbstractContextManager[None]:
    """Let every line of a run say of what it is, and from which delivery it follows, if from any."""
    of, named = claim.recording, {"trace_id": trace.id}
    if claim.delivery_id is not None:
        named["delivery_id"] = claim.delivery_id
    return logs.bound(recording_id=of.id, meeting_id=of.meeting.id, attempt=claim.attempt, **named)
