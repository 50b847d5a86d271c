"""Rows in, records out: the only place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.transfers import load_transfers
from receiver.records import (
    Delivery,
    DeliveryId,
    DeliveryStatus,
    Failure,
    Host,
    Meeting,
    MeetingId,
    Recording,
    RecordingId,
    RejectedRecord,
    State,
    StoredFile,
    UrlOrigin,
    Via,
)
from receiver.tables import delivery_recordings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.progress import Transfer


def load_recordings(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Recording]:
    """Make records of recordings rows; participants and transfers are read for all of them together."""
    taking_part: dict[str, list[int]] = {row.id: [] for row in rows}
    for start in range(0, len(rows), 500):  # SQLite takes a bounded number of parameters
        ids = [row.id for row in rows[start : start + 500]]
        found = tx.execute(
            sa.select(participants.c.recording_id, participants.c.user_id)
            .where(participants.c.recording_id.in_(ids))
            .order_by(participants.c.recording_id, participants.c.position)
        )
        for recording_id, user_id in found:
            taking_part[recording_id].append(user_id)
    transfers = load_transfers(tx, rows)
    return [_recording(row, tuple(taking_part[row.id]), transfers.get(row.id)) for row in rows]


def one_recording(tx: sa.Connection, recording_id: RecordingId) -> Recording | None:
    """Return the recording of this id, or None."""
    row = tx.execute(sa.select(recordings).where(recordings.c.id == recording_id)).one_or_none()
    return (load_recordings(tx, [row]))[0] if row is not None else None


def _recording(row: sa.Row[Any], participant_ids: tuple[int, ...], transfer: Transfer | None) -> Recording:
    state = State(row.state)
    archived = state is State.ARCHIVED
    return Recording(
        id=RecordingId(row.id),
        meeting=Meeting(
            id=MeetingId(row.meeting_id),
            name=row.meeting_name,
            start_date=row.meeting_start_at,
            end_date=row.meeting_end_at,
        ),
        host=Host(id=row.host_id, name=row.host_name, login=row.host_login, email=row.host_email),
        participant_ids=participant_ids,
        participants_count=row.participants_count,
        file_uid=row.file_uid,
        duration_s=row.duration_s,
        vendor_size=row.vendor_size,
        created_at=row.created_at,
        updated_at=row.updated_at,
        state=state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        error=_failure(row) if row.error_code is not None else None,
        archive=_stored_file(row) if archived else None,
        archived_at=row.archived_at,
        transfer=transfer,
        hold=row.hold,
        url_origin=UrlOrigin(row.url_origin) if row.url_origin else None,
        first_seen_via=Via(row.first_seen_via),
        first_seen_at=row.first_seen_at,
    )


def _failure(row: sa.Row[Any]) -> Failure:
    return Failure(
        code=row.error_code,
        message=row.error_message,
        at=row.error_at,
        origin=row.error_origin,
        setting=row.error_setting,
    )


def _stored_file(row: sa.Row[Any]) -> StoredFile:
    return StoredFile(
        bucket=row.object_bucket,
        key=row.object_key,
        version_id=row.object_version_id,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        checksum=row.checksum,
        content_type=row.content_type,
    )


def load_deliveries(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Delivery]:
    """Make records of deliveries rows (the body as far as it was selected)."""
    named: dict[str, list[RecordingId]] = {row.id: [] for row in rows}
    for start in range(0, len(rows), 500):
        ids = [row.id for row in rows[start : start + 500]]
        found = tx.execute(
            sa.select(delivery_recordings.c.delivery_id, delivery_recordings.c.recording_id)
            .where(delivery_recordings.c.delivery_id.in_(ids))
            .order_by(delivery_recordings.c.delivery_id, delivery_recordings.c.position)
        )
        for delivery_id, recording_id in found:
            named[delivery_id].append(RecordingId(recording_id))
    return [_delivery(row, tuple(named[row.id])) for row in rows]


def _delivery(row: sa.Row[Any], recording_ids: tuple[RecordingId, ...]) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        received_at=row.received_at,
        status=DeliveryStatus(row.status),
        body_sha256=row.body_sha256,
        body_bytes=row.body_bytes,
        recording_ids=recording_ids,
        rejected=tuple(RejectedRecord(index=r["index"], errors=tuple(r["errors"])) for r in row.rejected),
        body=row._mapping.get("body"),  # noqa: SLF001  (SQLAlchemy's public name)
    )
