"""What a run writes about its recording. Every write but the claim is conditional on the run's fence token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append
from receiver.catalogue.claims import Claiming, take
from receiver.catalogue.listed import ListedRows, was_named_anew
from receiver.catalogue.outbox import Outbox
from receiver.catalogue.rows import one_recording
from receiver.catalogue.run_columns import NO_OBJECT, NO_UPLOAD, begun, failed, file_of, proven_by
from receiver.catalogue.states import end_run, forget_parts, lock_held, note, write_held
from receiver.lifecycle import CLAIMABLE
from receiver.records import (
    Action,
    Actor,
    Claim,
    Failure,
    NotedObject,
    OpenUpload,
    Recording,
    RecordingId,
    State,
    StoredFile,
    UnfinishedUpload,
    UploadedPart,
    UrlOrigin,
)
from receiver.tables import Database, recordings, upload_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.lifecycle import Decision

_WORKER = Actor("worker")


class Runs:
    """The fenced writes of P6: a run that lost its fence gets `FenceLostError` and has changed nothing.

    How a run ended is noted in the `outbox`, in the same transaction.
    """

    def __init__(self, database: Database, outbox: Outbox | None = None) -> None:
        self._database = database
        self._outbox = outbox or Outbox()
        self.listed = ListedRows(database)

    async def claim(
        self, recording_id: RecordingId, *, now: datetime, is_alone: bool = False, abandoned: int | None = None
    ) -> Claim | None:
        """Take a recording to work on: `archiving`, one attempt more, the next fence token.

        None when there is nothing to do: unknown, final, or not due before a later time. A recording found
        `archiving` is taken over: the engine hands a job out again only when the run that had it is dead. That is a
        crash and no attempt; neither, where `abandoned` is that run's fence, whose end could not be written.

        Raises `NotAloneError` for a suspect, unless the run that claims it `is_alone` in its process.
        """
        asked = Claiming(recording_id, now=now, is_alone=is_alone, abandoned=abandoned)
        return await self._database.write(lambda tx: take(tx, asked))

    async def note_upload(
        self,
        claim: Claim,
        key: str,
        upload: UnfinishedUpload | None,
        origin: UrlOrigin,
        *,
        source_host: str | None = None,
    ) -> Recording:
        """Record where the object will lie, which multipart upload is open and who named the URL; then bytes may go.

        Without a `source_host`, the one that intake read from the payload stays. An upload without parts is a new one,
        so the parts noted before were another's and are forgotten. Raises `FenceLostError`.
        """
        values = begun(key, upload, origin, source_host) | NO_OBJECT
        return await self._write_and_read(claim, keep_parts=upload is not None and bool(upload.parts), **values)

    async def note_object(
        self,
        claim: Claim,
        noted: NotedObject,
        upload: UnfinishedUpload | None,
        origin: UrlOrigin,
        *,
        source_host: str | None = None,
    ) -> Recording:
        """Record what is about to be an object, of this upload or of a single request; then it may become one.

        Without it an object under the key is not known for this recording's. It is of the file that the claim names,
        also where a delivery has named another since. Raises `FenceLostError`.
        """
        values = begun(noted.key, upload, origin, source_host) | file_of(claim)
        values |= {"size_bytes": noted.size_bytes, "checksum": noted.checksum}
        return await self._write_and_read(claim, keep_parts=upload is not None, **values)

    async def forget_upload(self, claim: Claim) -> None:
        """Record that the noted upload was ended, and its parts with it. Raises `FenceLostError`."""
        await self._write(claim, keep_parts=False, **NO_UPLOAD)

    async def note_read_back(self, claim: Claim, read_bytes: int) -> None:
        """Record how much of the stored object has been read back. Raises `FenceLostError`."""
        await self._write(claim, keep_parts=True, read_back_bytes=read_bytes)

    async def noted_uploads(self) -> frozenset[OpenUpload]:
        """Return the uploads that recordings with work to do have noted: a run may be or go on with each of them."""
        noted = sa.select(recordings.c.object_key, recordings.c.upload_id).where(
            recordings.c.state.in_(CLAIMABLE), recordings.c.upload_id.is_not(None)
        )
        rows = await self._database.read(lambda tx: tx.execute(noted).all())
        return frozenset(OpenUpload(key=key, upload_id=upload_id) for key, upload_id in rows)

    async def note_parts(self, claim: Claim, parts: Sequence[UploadedPart], *, elapsed_s: float) -> None:
        """Record parts of the open upload that the store confirmed, in place of earlier ones of their numbers.

        `elapsed_s` is how long ago the run began to send. Raises `FenceLostError`.
        """
        rows = [
            {
                "recording_id": claim.recording.id,
                "number": part.number,
                "etag": part.etag,
                "size_bytes": part.size_bytes,
                "checksum": part.checksum,
                "digest": part.digest,
                "fence": claim.fence,
                "elapsed_s": elapsed_s,
            }
            for part in parts
        ]
        numbers = [part.number for part in parts]

        def write(tx: sa.Connection) -> None:
            lock_held(tx, claim)
            tx.execute(forget_parts(claim.recording.id).where(upload_parts.c.number.in_(numbers)))
            tx.execute(sa.insert(upload_parts), rows)

        await self._database.write(write)

    async def finish(self, claim: Claim, stored: StoredFile, *, now: datetime) -> None:
        """Record the proven object of the file that the claim's recording names: `archived`. Raises `FenceLostError`.

        A delivery may have named another file meanwhile, which this object is not.
        """
        await self._end(
            claim,
            State.ARCHIVED,
            at=now,
            keep_parts=False,
            **file_of(claim),
            object_bucket=stored.bucket,
            object_key=stored.key,
            object_version_id=stored.version_id,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            checksum=stored.checksum,
            content_type=stored.content_type,
            incomplete=stored.incomplete,
            **proven_by(stored, now),
            cut_sha256=None,
            archived_at=now,
            crashes=0,
            error_code=None,
            error_message=None,
            error_at=None,
            error_origin=None,
            error_setting=None,
            next_attempt_at=None,
            payload_url=None,
            **NO_UPLOAD,
        )

    async def settle(
        self,
        claim: Claim,
        decision: Decision,
        failure: Failure,
        *,
        source_host: str | None = None,
        unless_named: bool = False,
    ) -> Decision:
        """Record a failed run and what follows from it; no upload outlives the last one. Raises `FenceLostError`.

        A run that ended in order was no crash; in an outage it may not have come to where it would be one. The
        `source_host` is noted where one is given. With `unless_named`, the API lists the recording under none of the
        meetings that it was asked for: this is not its end if a delivery has named another meanwhile. Returns what was
        decided.
        """

        def settle(tx: sa.Connection) -> Decision:
            settled = decision
            if unless_named and decision.state is not State.WAITING and was_named_anew(tx, claim):
                settled = replace(decision, state=State.WAITING, attempts=0, next_attempt_at=failure.at)
            again = settled.state is State.WAITING
            values = failed(settled, failure) | {"cut_sha256": failure.cut_sha256 or claim.cut_sha256}
            values |= {} if settled.is_outage else {"crashes": 0}
            values |= {} if source_host is None else {"source_host": source_host}
            ending = end_run(claim, settled.state).values(values if again else values | NO_UPLOAD)
            write_held(tx, claim, ending, keep_parts=again)
            append(tx, _failed_run(claim, settled, failure))
            self._outbox.add_state(tx, claim.recording.id, settled.state, at=failure.at)
            return settled

        return await self._database.write(settle)

    async def set_aside(self, claim: Claim, decision: Decision, failure: Failure) -> Decision:
        """Record that a recording seems to end the process that runs it; it is begun anew. Raises `FenceLostError`."""
        ending = end_run(claim, decision.state).values(failed(decision, failure) | NO_UPLOAD)

        def set_aside(tx: sa.Connection) -> Decision:
            write_held(tx, claim, ending, keep_parts=False)
            append(tx, _failed_run(claim, decision, failure))
            self._outbox.add_state(tx, claim.recording.id, decision.state, at=failure.at)
            return decision

        return await self._database.write(set_aside)

    async def hand_back(self, claim: Claim, *, now: datetime) -> None:
        """Give an interrupted recording back to the queue, its attempt not counted. Raises `FenceLostError`."""
        await self._end(claim, State.PENDING, at=now, keep_parts=True, attempts=claim.attempt - 1, next_attempt_at=now)

    async def _write(self, claim: Claim, *, keep_parts: bool, **values: Any) -> None:
        await self._database.write(lambda tx: write_held(tx, claim, note(claim, values), keep_parts=keep_parts))

    async def _write_and_read(self, claim: Claim, *, keep_parts: bool, **values: Any) -> Recording:
        def write_and_read(tx: sa.Connection) -> Recording:
            write_held(tx, claim, note(claim, values), keep_parts=keep_parts)
            return one_recording(tx, claim.recording.id)

        return await self._database.write(write_and_read)

    async def _end(self, claim: Claim, state: State, *, at: datetime, keep_parts: bool, **values: Any) -> None:
        ending = end_run(claim, state).values(values)

        def end(tx: sa.Connection) -> None:
            write_held(tx, claim, ending, keep_parts=keep_parts)
            self._outbox.add_state(tx, claim.recording.id, state, at=at)

        await self._database.write(end)


def _failed_run(claim: Claim, decision: Decision, failure: Failure) -> AuditEntry:
    """Return the log's entry of a run that failed: the row keeps the last one only."""
    return AuditEntry.of(
        _WORKER,
        Action.RUN_FAILED,
        claim.recording.id,
        at=failure.at,
        reason=failure.code,
        outcome=decision.state.value,
        attempt=claim.attempt,
    )
