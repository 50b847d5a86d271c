"""Rows in, records out: the only place that knows both."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from receiver.catalogue.deliveries import pieces
from receiver.catalogue.transfers import load_transfers
from receiver.checksums import for_store
from receiver.errors import NotFoundError
from receiver.records import (
    Attendee,
    CopyProof,
    Delivery,
    DeliveryId,
    DeliveryStatus,
    Failure,
    Fixity,
    Host,
    Meeting,
    Recording,
    RecordingFacts,
    RecordingId,
    RejectedRecord,
    Rung,
    State,
    StoredFile,
    UrlOrigin,
    VendorFacts,
    Via,
)
from receiver.tables import add_rows, attendees, delivery_recordings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from receiver.progress import Transfer

T = TypeVar("T", Meeting, Host, VendorFacts)


_COLUMNS: dict[type, dict[str, str]] = {
    Meeting: {
        "id": "meeting_id",
        "name": "meeting_name",
        "start_date": "meeting_start_at",
        "end_date": "meeting_end_at",
    },
    Host: {"id": "host_id", "name": "host_name", "login": "host_login", "email": "host_email"},
    VendorFacts: {one.name: one.name for one in fields(VendorFacts) if one.name != "participant_ids"},
}
"""Which column of a recording's row holds which field, read and written by this table alone.

The vendor's facts lie in columns of their own names, but for the participants, who have a table.
"""

_NOT_SHOWN = {
    "search_text",
    "place",
    "crashes",
    "payload_url",
    "source_host",
    "upload_id",
    "upload_part_size_bytes",
    "upload_rung",
    "source_etag",
    "cut_sha256",
}
"""Columns of which nothing is in a `Recording`."""
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
# made once: to make a query of so many columns anew costs as much as to run it
_RECORDINGS = sa.select(*(c for c in recordings.c if c.name not in _NOT_SHOWN)).where(recordings.c.id.in_(_IDS))
_PARTICIPANTS = sa.select(participants.c.recording_id, participants.c.user_id)
_PARTICIPANTS = _PARTICIPANTS.where(participants.c.recording_id.in_(_IDS))
_PARTICIPANTS = _PARTICIPANTS.order_by(participants.c.recording_id, participants.c.position)
_ATTENDEES = sa.select(attendees.c.recording_id, attendees.c.user_id, attendees.c.email)
_ATTENDEES = _ATTENDEES.where(attendees.c.recording_id.in_(_IDS))
_ATTENDEES = _ATTENDEES.order_by(attendees.c.recording_id, attendees.c.position)


def read_row(kind: type[T], row: sa.Row[Any]) -> T:
    """Make a record of the columns that hold its fields."""
    return _read(kind, row._asdict())


def _read(kind: type[T], row: Mapping[str, Any], **more: Any) -> T:
    return kind(**{field: row[column] for field, column in _COLUMNS[kind].items()}, **more)


def columns_of(kind: type) -> tuple[str, ...]:
    """Return the columns that `read_row` needs."""
    return tuple(_COLUMNS[kind].values())


def write_row(record: Meeting | Host | VendorFacts) -> dict[str, Any]:
    """Return the values of the columns that hold a record's fields."""
    return {column: getattr(record, field) for field, column in _COLUMNS[type(record)].items()}


def write_facts(facts: RecordingFacts) -> dict[str, Any]:
    """Return the values of the columns that hold what a source said of a recording, but for `created_at`.

    That sorts the listings and may be part of the object's key, so it is not every source's to change.
    """
    values = write_row(facts.meeting) | write_row(facts.host) | write_row(facts.vendor)
    del values["created_at"]
    return values


def write_participants(tx: sa.Connection, facts: Iterable[RecordingFacts]) -> None:
    """Add the participants of recordings that have none yet."""
    rows = [
        {"recording_id": fact.id, "position": position, "user_id": user_id}
        for fact in facts
        for position, user_id in enumerate(fact.vendor.participant_ids)
    ]
    add_rows(tx, participants, rows)


def write_attendees(tx: sa.Connection, facts: Iterable[RecordingFacts]) -> None:
    """Add the attendees of recordings that have none yet."""
    rows = [
        {"recording_id": fact.id, "position": position, "user_id": one.id, "email": one.email}
        for fact in facts
        for position, one in enumerate(fact.attendees or ())
    ]
    add_rows(tx, attendees, rows)


def load_recordings(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Recording]:
    """Make records of recordings rows; people and transfers are read for all of them together."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    taking_part, invited = load_participants(tx, ids), load_attendees(tx, ids)
    transfers = load_transfers(tx, rows)
    # as dicts: a column of a row by its name costs ten times as much
    names = rows[0]._fields
    named = [dict(zip(names, row, strict=True)) for row in rows]
    return [_recording(row, taking_part, invited, transfers.get(row["id"])) for row in named]


def load_participants(tx: sa.Connection, ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the user ids of those who took part, in the order in which they were named."""
    found: dict[str, list[int]] = {}
    for piece in pieces(ids):
        for recording_id, user_id in tx.execute(_PARTICIPANTS, {"ids": piece}).all():
            found.setdefault(recording_id, []).append(user_id)
    return found


def load_attendees(tx: sa.Connection, ids: Sequence[str]) -> dict[str, list[Attendee]]:
    """Return those who were invited, in the order in which they were named."""
    found: dict[str, list[Attendee]] = {}
    for piece in pieces(ids):
        for recording_id, user_id, email in tx.execute(_ATTENDEES, {"ids": piece}).all():
            found.setdefault(recording_id, []).append(Attendee(id=user_id, email=email))
    return found


def load_by_id(tx: sa.Connection, ids: Sequence[RecordingId]) -> list[Recording]:
    """Make records of the rows with these ids, in this order."""
    rows: dict[str, sa.Row[Any]] = {}
    for piece in pieces(ids):
        rows |= {row.id: row for row in tx.execute(_RECORDINGS, {"ids": piece}).all()}
    return load_recordings(tx, [rows[one] for one in ids if one in rows])


def one_recording(tx: sa.Connection, recording_id: RecordingId) -> Recording:
    """Return the recording of this id; raises `NotFoundError`."""
    row = tx.execute(_RECORDINGS, {"ids": [recording_id]}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no recording {recording_id}")
    return load_recordings(tx, [row])[0]


def _recording(
    row: Mapping[str, Any],
    taking_part: dict[str, list[int]],
    invited: dict[str, list[Attendee]],
    transfer: Transfer | None,
) -> Recording:
    state = State(row["state"])
    archived = state is State.ARCHIVED
    return Recording(
        id=RecordingId(row["id"]),
        meeting=_read(Meeting, row),
        host=_read(Host, row),
        vendor=_read(VendorFacts, row, participant_ids=tuple(taking_part.get(row["id"], ()))),
        state=state,
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        error=_failure(row) if row["error_code"] is not None else None,
        archive=_stored_file(row) if archived else None,
        archived_at=row["archived_at"],
        transfer=transfer,
        hold=row["hold"],
        url_origin=UrlOrigin(row["url_origin"]) if row["url_origin"] else None,
        first_seen_via=Via(row["first_seen_via"]),
        first_seen_at=row["first_seen_at"],
        listed_at=row["listed_at"],
        attendees=tuple(invited.get(row["id"], ())),
        verified_at=row["verified_at"] if archived else None,
        fixity=Fixity(row["fixity"]) if archived and row["fixity"] else None,
        object_locked=archived and row["object_locked"],
        retained_until=row["retained_until"] if archived else None,
        due_since=row["due_since"] if archived else None,
    )


def _failure(row: Mapping[str, Any]) -> Failure:
    return Failure(
        code=row["error_code"],
        message=row["error_message"],
        at=row["error_at"],
        origin=row["error_origin"],
        setting=row["error_setting"],
    )


def _stored_file(row: Mapping[str, Any]) -> StoredFile:
    return StoredFile(
        bucket=row["object_bucket"],
        key=row["object_key"],
        version_id=row["object_version_id"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        checksum=row["checksum"],
        content_type=row["content_type"],
        incomplete=row["incomplete"],
        proof=_proof(row),
    )


def _proof(row: Mapping[str, Any]) -> CopyProof | None:
    """Read how the object was proven; releases before the ladder had one way, and noted no time of its own."""
    if row["proof_rung"] is None:
        checksum = row["checksum"]
        return checksum and CopyProof(rung=Rung.CRC64NVME, value=for_store(checksum), at=row["archived_at"])
    return CopyProof(rung=Rung(row["proof_rung"]), value=row["proof_value"], at=row["proof_at"])


def load_deliveries(tx: sa.Connection, rows: Sequence[sa.Row[Any]], *, most_named: int | None = None) -> list[Delivery]:
    """Make records of deliveries rows (the body as far as it was selected), with the first `most_named` ids of each."""
    named: dict[str, list[RecordingId]] = {row.id: [] for row in rows}
    c = delivery_recordings.c
    for start in range(0, len(rows), 500):
        ids = [row.id for row in rows[start : start + 500]]
        query = sa.select(c.delivery_id, c.recording_id).where(c.delivery_id.in_(ids))
        if most_named is not None:
            query = query.where(c.position < most_named)
        for delivery_id, recording_id in tx.execute(query.order_by(c.delivery_id, c.position)):
            named[delivery_id].append(RecordingId(recording_id))
    return [_delivery(row, tuple(named[row.id])) for row in rows]


def _delivery(row: sa.Row[Any], recording_ids: tuple[RecordingId, ...]) -> Delivery:
    rejected = row.rejected or ()
    return Delivery(
        id=DeliveryId(row.id),
        received_at=row.received_at,
        status=DeliveryStatus(row.status),
        body_sha256=row.body_sha256,
        body_bytes=row.body_bytes,
        recording_ids=recording_ids,
        recordings_count=len(recording_ids) if row.recordings_count is None else row.recordings_count,
        rejected=tuple(RejectedRecord(index=r["index"], errors=tuple(r["errors"])) for r in rejected),
        rejected_count=len(rejected) if row.rejected_count is None else row.rejected_count,
        reason=row.reason,
        body=row._mapping.get("body"),  # noqa: SLF001  (SQLAlchemy's public name)
    )
