"""What a run writes about its recording. Every write but the claim is conditional on the run's fence token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.rows import one_recording
from receiver.errors import FenceLostError
from receiver.lifecycle import CLAIMABLE
from receiver.records import Claim, Failure, OpenUpload, Recording, RecordingId, State, StoredFile, UrlOrigin
from receiver.tables import Database, recordings

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.lifecycle import Decision

_DONE = {"next_attempt_at": None, "upload_id": None, "payload_url": None}


class Runs:
    """The fenced writes of P6: a run that lost its fence gets `FenceLostError` and has changed nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, recording_id: RecordingId, *, now: datetime) -> Claim | None:
        """Take a recording to work on: `archiving`, one attempt more, the next fence token.

        None when there is nothing to do: unknown, final, or not due before a later time. A recording found
        `archiving` is taken over: the engine hands a job out again only when the run that had it is dead.
        """
        async with self._database.write() as tx:
            due = sa.or_(recordings.c.next_attempt_at.is_(None), recordings.c.next_attempt_at <= now)
            taken = await tx.execute(
                sa.update(recordings)
                .where(recordings.c.id == recording_id, recordings.c.state.in_(CLAIMABLE), due)
                .values(
                    state=State.ARCHIVING,
                    attempts=recordings.c.attempts + 1,
                    fence=recordings.c.fence + 1,
                    next_attempt_at=None,
                )
                .returning(
                    recordings.c.fence,
                    recordings.c.attempts,
                    recordings.c.payload_url,
                    recordings.c.object_key,
                    recordings.c.upload_id,
                )
            )
            row = taken.one_or_none()
            recording = await one_recording(tx, recording_id) if row is not None else None
        if row is None or recording is None:
            return None
        upload = OpenUpload(key=row.object_key, upload_id=row.upload_id) if row.upload_id else None
        return Claim(
            recording=recording,
            fence=row.fence,
            attempt=row.attempts,
            payload_url=row.payload_url,
            key=row.object_key,
            upload=upload,
        )

    async def note_upload(self, claim: Claim, key: str, upload: OpenUpload | None, origin: UrlOrigin) -> Recording:
        """Record where the object will lie, which multipart upload is open and who named the URL; then bytes may go.

        Raises `FenceLostError`.
        """
        return await self._write(
            claim, object_key=key, upload_id=upload.upload_id if upload else None, url_origin=origin
        )

    async def finish(self, claim: Claim, stored: StoredFile, *, now: datetime) -> Recording:
        """Record the proven object: `archived`. Raises `FenceLostError`."""
        return await self._write(
            claim,
            state=State.ARCHIVED,
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
            **_DONE,
        )

    async def settle(self, claim: Claim, decision: Decision, failure: Failure) -> Recording:
        """Record a failed run and what follows from it. Raises `FenceLostError`."""
        return await self._write(
            claim,
            state=decision.state,
            attempts=decision.attempts,
            next_attempt_at=decision.next_attempt_at,
            error_code=failure.code,
            error_message=failure.message,
            error_at=failure.at,
        )

    async def hand_back(self, claim: Claim, *, now: datetime) -> Recording:
        """Give an interrupted recording back to the queue, its attempt not counted. Raises `FenceLostError`."""
        return await self._write(claim, state=State.PENDING, attempts=claim.attempt - 1, next_attempt_at=now)

    async def _write(self, claim: Claim, **values: Any) -> Recording:
        mine = sa.and_(
            recordings.c.id == claim.recording.id,
            recordings.c.fence == claim.fence,
            recordings.c.state == State.ARCHIVING,
        )
        async with self._database.write() as tx:
            if (await tx.execute(sa.update(recordings).where(mine).values(values))).rowcount != 1:
                raise FenceLostError(f"another run or an operator took recording {claim.recording.id} over")
            changed = await one_recording(tx, claim.recording.id)
        assert changed is not None  # noqa: S101  (its row was written in this transaction)
        return changed
