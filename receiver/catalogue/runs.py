"""What a run writes about its recording. Every write but the claim is conditional on the run's fence token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.listed import listed_values, load_named, note_asked, was_named_anew, write_listed
from receiver.catalogue.rows import one_recording
from receiver.catalogue.states import change_state, end_run, held_by
from receiver.catalogue.transfers import load_unfinished
from receiver.errors import FenceLostError
from receiver.lifecycle import CLAIMABLE
from receiver.records import (
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
    from receiver.records import KnownMeeting, MeetingId, RecordingFacts

_CLAIMED = ("id", "fence", "attempts", "payload_url", "listed_at", "object_key")
_NO_UPLOAD = {"upload_id": None, "upload_part_size_bytes": None, "source_etag": None, "source_size_bytes": None}
_NO_OBJECT = {"size_bytes": None, "checksum": None}


class Runs:
    """The fenced writes of P6: a run that lost its fence gets `FenceLostError` and has changed nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, recording_id: RecordingId, *, now: datetime) -> Claim | None:
        """Take a recording to work on: `archiving`, one attempt more, the next fence token.

        None when there is nothing to do: unknown, final, or not due before a later time. A recording found
        `archiving` is taken over: the engine hands a job out again only when the run that had it is dead.
        """
        due = sa.or_(recordings.c.next_attempt_at.is_(None), recordings.c.next_attempt_at <= now)

        def take(tx: sa.Connection) -> Claim | None:
            taken = tx.execute(
                change_state(State.ARCHIVING, leaving=CLAIMABLE)
                .where(recordings.c.id == recording_id, due)
                .values(attempts=recordings.c.attempts + 1, next_attempt_at=None)
                .returning(
                    *(recordings.c[name] for name in (*_CLAIMED, *_NO_OBJECT, *_NO_UPLOAD)),
                )
            )
            row = taken.one_or_none()
            if row is None:
                return None
            return Claim(
                recording=one_recording(tx, recording_id),
                fence=row.fence,
                attempt=row.attempts,
                payload_url=row.payload_url,
                key=row.object_key,
                noted=_noted(row),
                upload=load_unfinished(tx, row),
                is_listed=row.listed_at is not None,
            )

        return await self._database.write(take)

    async def confirm(self, claim: Claim, facts: RecordingFacts, *, now: datetime) -> Claim:
        """Record what the API lists in place of all that deliveries say; raises `FenceLostError`."""
        values = listed_values(claim.recording, facts, now=now)

        def write(tx: sa.Connection) -> Claim:
            _held(tx, claim, _noting(claim, values), keep_parts=True)
            write_listed(tx, facts)
            noted = None if "checksum" in values else claim.noted
            return replace(claim, recording=one_recording(tx, claim.recording.id), noted=noted, is_listed=True)

        return await self._database.write(write)

    async def other_meetings(self, claim: Claim, *, most: int, now: datetime) -> tuple[list[KnownMeeting], bool]:
        """Return the meetings to ask for next that were named beside the row's, and whether there are more."""
        return await self._database.read(lambda tx: load_named(tx, claim.recording.id, most=most, now=now))

    async def note_asked(self, claim: Claim, meeting_ids: Sequence[MeetingId], *, now: datetime) -> None:
        """Note that these were asked for in vain."""
        await self._database.write(lambda tx: note_asked(tx, claim.recording.id, meeting_ids, now))

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
        values = _begun(key, upload, origin, source_host) | _NO_OBJECT
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
        values = _begun(noted.key, upload, origin, source_host) | _file_of(claim)
        values |= {"size_bytes": noted.size_bytes, "checksum": noted.checksum}
        return await self._write_and_read(claim, keep_parts=upload is not None, **values)

    async def forget_upload(self, claim: Claim) -> None:
        """Record that the noted upload was ended, and its parts with it. Raises `FenceLostError`."""
        await self._write(claim, keep_parts=False, **_NO_UPLOAD)

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
                "fence": claim.fence,
                "elapsed_s": elapsed_s,
            }
            for part in parts
        ]
        numbers = [part.number for part in parts]

        def note(tx: sa.Connection) -> None:
            held = tx.execute(sa.select(recordings.c.id).where(held_by(claim)).with_for_update())
            if held.one_or_none() is None:
                raise FenceLostError(_taken_over(claim))
            tx.execute(_forget(claim.recording.id).where(upload_parts.c.number.in_(numbers)))
            tx.execute(sa.insert(upload_parts), rows)

        await self._database.write(note)

    async def finish(self, claim: Claim, stored: StoredFile, *, now: datetime) -> None:
        """Record the proven object of the file that the claim's recording names: `archived`. Raises `FenceLostError`.

        A delivery may have named another file meanwhile, which this object is not.
        """
        await self._end(
            claim,
            State.ARCHIVED,
            keep_parts=False,
            **_file_of(claim),
            object_bucket=stored.bucket,
            object_key=stored.key,
            object_version_id=stored.version_id,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            checksum=stored.checksum,
            content_type=stored.content_type,
            archived_at=now,
            error_code=None,
            error_message=None,
            error_at=None,
            error_origin=None,
            error_setting=None,
            next_attempt_at=None,
            payload_url=None,
            **_NO_UPLOAD,
        )

    async def settle(
        self, claim: Claim, decision: Decision, failure: Failure, *, unless_named: bool = False
    ) -> Decision:
        """Record a failed run and what follows from it; no upload outlives the last one. Raises `FenceLostError`.

        With `unless_named`, the API lists the recording under none of the meetings that it was asked for. Then this is
        not its end if a delivery has named another meanwhile. Returns what was decided.
        """

        def settle(tx: sa.Connection) -> Decision:
            settled = decision
            if unless_named and decision.state is not State.WAITING and was_named_anew(tx, claim):
                settled = replace(decision, state=State.WAITING, attempts=0, next_attempt_at=failure.at)
            again = settled.state is State.WAITING
            values = {
                "attempts": settled.attempts,
                "next_attempt_at": settled.next_attempt_at,
                "error_code": failure.code,
                "error_message": failure.message,
                "error_at": failure.at,
                "error_origin": failure.origin,
                "error_setting": failure.setting,
            }
            ending = end_run(claim, settled.state).values(values if again else values | _NO_UPLOAD)
            _held(tx, claim, ending, keep_parts=again)
            return settled

        return await self._database.write(settle)

    async def hand_back(self, claim: Claim, *, now: datetime) -> None:
        """Give an interrupted recording back to the queue, its attempt not counted. Raises `FenceLostError`."""
        await self._end(claim, State.PENDING, keep_parts=True, attempts=claim.attempt - 1, next_attempt_at=now)

    async def _write(self, claim: Claim, *, keep_parts: bool, **values: Any) -> None:
        await self._database.write(lambda tx: _held(tx, claim, _noting(claim, values), keep_parts=keep_parts))

    async def _write_and_read(self, claim: Claim, *, keep_parts: bool, **values: Any) -> Recording:
        def write_and_read(tx: sa.Connection) -> Recording:
            _held(tx, claim, _noting(claim, values), keep_parts=keep_parts)
            return one_recording(tx, claim.recording.id)

        return await self._database.write(write_and_read)

    async def _end(self, claim: Claim, state: State, *, keep_parts: bool, **values: Any) -> None:
        ending = end_run(claim, state).values(values)
        await self._database.write(lambda tx: _held(tx, claim, ending, keep_parts=keep_parts))


def _noting(claim: Claim, values: dict[str, Any]) -> sa.Update:
    return sa.update(recordings).where(held_by(claim)).values(values)


def _held(tx: sa.Connection, claim: Claim, update: sa.Update, *, keep_parts: bool) -> None:
    """Execute a run's update of its row; raises `FenceLostError` where it is no longer the run's."""
    if tx.execute(update).rowcount != 1:
        raise FenceLostError(_taken_over(claim))
    if not keep_parts:
        tx.execute(_forget(claim.recording.id))


def _begun(key: str, upload: UnfinishedUpload | None, origin: UrlOrigin, source_host: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {"object_key": key, "url_origin": origin, **_NO_UPLOAD}
    if upload is not None:
        values |= {
            "upload_id": upload.upload.upload_id,
            "upload_part_size_bytes": upload.part_size_bytes,
            "source_etag": upload.source_etag,
            "source_size_bytes": upload.source_size_bytes,
        }
    return values if source_host is None else values | {"source_host": source_host}


def _file_of(claim: Claim) -> dict[str, Any]:
    return {"file_uid": claim.recording.vendor.file_uid, "updated_at": claim.recording.vendor.updated_at}


def _noted(row: sa.Row[Any]) -> NotedObject | None:
    if row.checksum is None:
        return None
    return NotedObject(key=row.object_key, size_bytes=row.size_bytes, checksum=row.checksum)


def _taken_over(claim: Claim) -> str:
    return f"another run or an operator took recording {claim.recording.id} over"


def _forget(recording_id: RecordingId) -> sa.Delete:
    return sa.delete(upload_parts).where(upload_parts.c.recording_id == recording_id)
