"""The rows of erasures: what is taken from a recording's row, and what is noted of its files."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue.audit_log import AuditEntry, append_all
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.indexing import place_of, reindex
from receiver.catalogue.run_columns import NO_UPLOAD
from receiver.catalogue.states import change_state
from receiver.lifecycle import before
from receiver.records import (
    UNFINISHED,
    Action,
    Actor,
    Erasing,
    FileVersion,
    MeetingId,
    OpenUpload,
    RecordingId,
    State,
    Via,
)
from receiver.tables import (
    Database,
    attendees,
    candidate_meetings,
    erasures,
    participants,
    recordings,
    upload_parts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from receiver.records import ErasureOrder, Tombstone

LOOK_AGAIN_AFTER = timedelta(hours=1)
"""A run or a repair that was about to store a file when its recording was erased has ended by then."""
LEAST_WAIT = timedelta(minutes=5)
_GONE = (
    *("meeting_name", "meeting_start_at", "meeting_end_at", "host_id", "host_name", "host_login", "host_email"),
    *("participants_count", "file_uid", "duration_s", "vendor_size", "updated_at", "listed_at", "next_attempt_at"),
    *("payload_url", "url_origin", "source_host", "error_origin", "error_setting", *NO_UPLOAD),
    *("object_bucket", "object_key", "object_version_id", "sha256", "checksum", "content_type", "incomplete"),
    *("proof_rung", "proof_value", "proof_at", "cut_sha256", "verified_at", "fixity", "unread_since", "audit_due_at"),
    *("due_since", "retained_until"),
)
"""What an erased row says no more. It keeps the ids of recording and meeting, times, and how much was archived."""
_BESIDE = (participants, attendees, candidate_meetings, upload_parts)
_WAITS = "its files in the bucket are not deleted yet; the service goes on with that by itself"


def add_erased(tx: sa.Connection, database: Database, tombstones: Sequence[Tombstone], *, now: datetime) -> int:
    """Add a row in the state `erased` for each recording that has none; return how many were added."""
    if not tombstones:
        return 0
    rows = [
        {
            "id": one.recording_id,
            "meeting_id": one.meeting_id,
            "search_text": "  ",
            "place": place_of(one.erased_at, one.recording_id),
            "created_at": one.erased_at,
            "state": State.ERASED,
            "first_seen_via": Via.REINDEX,
            "first_seen_at": now,
        }
        for one in sorted(tombstones, key=lambda one: one.recording_id)
    ]
    add = database.insert(recordings).on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)
    new = set(tx.execute(add, rows).scalars())
    noted = [
        {
            "recording_id": one.recording_id,
            "certificate_id": "",
            "reason": one.reason,
            "actor": "tombstone",
            "begun_at": one.erased_at,
            "files": {},
            "done_at": one.erased_at,
        }
        for one in tombstones
        if one.recording_id in new
    ]
    if noted:
        tx.execute(database.insert(erasures).on_conflict_do_nothing(index_elements=["recording_id"]), noted)
        by = Actor("tombstone")
        append_all(tx, [AuditEntry.of(by, Action.ERASED, one, at=now) for one in sorted(new)])
    return len(new)


def empty(tx: sa.Connection, erasing: Sequence[Erasing], now: datetime) -> None:
    """Take from the rows and from beside them what they said, and note what is to be deleted."""
    if not erasing:
        return
    ids = [one.recording_id for one in erasing]
    c = recordings.c
    archived = sa.case((c.archived_at.is_not(None), c.size_bytes))
    emptied = change_state(State.ERASED, leaving=before(State.ERASED)).values(dict.fromkeys(_GONE))
    emptied = emptied.values(size_bytes=archived, error_code=UNFINISHED, error_message=_WAITS, error_at=now)
    for piece in pieces(ids):
        tx.execute(emptied.where(c.id.in_(piece)))
        for table in _BESIDE:
            tx.execute(sa.delete(table).where(table.c.recording_id.in_(piece)))
        tx.execute(sa.delete(erasures).where(erasures.c.recording_id.in_(piece)))  # of a backup's other erasure
    reindex(tx, ids)
    tx.execute(sa.insert(erasures), [_row(one, now) for one in erasing])


def _row(one: Erasing, now: datetime) -> dict[str, Any]:
    return {
        "recording_id": one.recording_id,
        "certificate_id": one.certificate_id,
        "reason": one.reason,
        "actor": one.actor,
        "begun_at": one.begun_at,
        "look_at": now + LEAST_WAIT,
        "files": {
            "stems": list(one.stems),
            "files": [[file.key, file.version_id] for file in one.files],
            "uploads": None if one.uploads is None else [[up.key, up.upload_id] for up in one.uploads],
            "retained": one.retained,
        },
    }


READ = (
    *(erasures.c[name] for name in ("recording_id", "certificate_id", "reason", "actor", "begun_at", "files")),
    erasures.c.done_at,
    recordings.c.meeting_id,
)


def unfinished(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[Erasing]:
    query = sa.select(*READ).join(recordings, recordings.c.id == erasures.c.recording_id)
    query = query.where(erasures.c.look_at.is_not(None), erasures.c.done_at.is_(None))
    return [read_erasing(row) for piece in pieces(ids) for row in tx.execute(query.where(recordings.c.id.in_(piece)))]


def read_erasing(row: sa.Row[Any]) -> Erasing:
    lie = row.files
    uploads = lie["uploads"]
    return Erasing(
        recording_id=RecordingId(row.recording_id),
        meeting_id=MeetingId(row.meeting_id),
        certificate_id=row.certificate_id,
        reason=row.reason,
        actor=row.actor,
        begun_at=row.begun_at,
        stems=tuple(lie["stems"]),
        files=tuple(FileVersion(*file) for file in lie["files"]),
        uploads=None if uploads is None else tuple(OpenUpload(key=key, upload_id=one) for key, one in uploads),
        is_done=row.done_at is not None,
        retained=lie.get("retained", False),
    )


def refused(recording_id: RecordingId, order: ErasureOrder) -> AuditEntry:
    """Return the entry of an erasure that a hold keeps from beginning."""
    details = {"reason": order.reason, "certificate_id": order.certificate_id}
    return AuditEntry.of(order.by, Action.ERASURE_HELD, recording_id, at=order.at, **details)


def began(one: Erasing, by: Actor) -> AuditEntry:
    return AuditEntry.of(
        by,
        Action.ERASURE_BEGAN,
        one.recording_id,
        at=one.begun_at,
        reason=one.reason,
        certificate_id=one.certificate_id,
    )


def these(erasing: Sequence[Erasing]) -> sa.Update:
    return sa.update(erasures).where(erasures.c.recording_id.in_([one.recording_id for one in erasing]))


def note_done(tx: sa.Connection, one: Erasing, versions: int, bodies: int, now: datetime) -> None:
    """Note it; the first time its files are to be looked for once more, the second time nothing is left to do."""
    c = erasures.c
    values: dict[str, Any] = {
        "versions_count": c.versions_count + versions,
        "bodies_count": c.bodies_count + bodies,
        "done_at": sa.func.coalesce(c.done_at, sa.literal(now, c.done_at.type)),
        "look_at": None if one.is_done else now + LOOK_AGAIN_AFTER,
    }
    tx.execute(these([one]).values(values | ({"files": {}} if one.is_done else {})))
    clear = dict.fromkeys(("error_code", "error_message", "error_at"))
    tx.execute(sa.update(recordings).where(recordings.c.id == one.recording_id).values(clear))
    if not one.is_done:
        done = AuditEntry.of(
            Actor(one.actor),
            Action.ERASED,
            one.recording_id,
            at=now,
            versions=versions,
            bodies=bodies,
            certificate_id=one.certificate_id,
        )
        append_all(tx, [done])


def note_refused(tx: sa.Connection, one: Erasing, why: str, now: datetime) -> None:
    """Show on the row why it is not erased; the log has each reason once."""
    c = recordings.c
    was = tx.execute(sa.select(c.error_message).where(c.id == one.recording_id)).scalar_one_or_none()
    told = {"error_code": UNFINISHED, "error_message": why, "error_at": now}
    tx.execute(sa.update(recordings).where(c.id == one.recording_id).values(told))
    tx.execute(these([one]).values(look_at=now + LEAST_WAIT))
    if was != why:
        kept = AuditEntry.of(
            Actor(one.actor),
            Action.ERASURE_REFUSED,
            one.recording_id,
            at=now,
            outcome="not_erased",
            certificate_id=one.certificate_id,
        )
        append_all(tx, [kept])
