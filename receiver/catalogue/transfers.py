"""How far uploads are, read from the ledger of their parts: progress costs no write of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.lifecycle import CLAIMABLE
from receiver.progress import Transfer
from receiver.records import OpenUpload, Rung, State, UnfinishedUpload, UploadedPart
from receiver.tables import upload_parts

if TYPE_CHECKING:
    from collections.abc import Sequence


def load_transfers(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> dict[str, Transfer]:
    """Return, by recording id, the transfers of recordings rows that have one.

    One that runs has it as soon as its upload is noted, one that waits for its next run where parts are. Read in one
    statement for all of them, and in none where no row has an upload.
    """
    uploading = {row.id: row for row in rows if row.state in CLAIMABLE and row.source_size_bytes is not None}
    if not uploading:
        return {}
    noted: dict[str, dict[int | None, tuple[int, float]]] = {recording_id: {} for recording_id in uploading}
    c = upload_parts.c
    found = tx.execute(
        sa.select(c.recording_id, c.fence, sa.func.sum(c.size_bytes), sa.func.max(c.elapsed_s))
        .where(c.recording_id.in_(uploading))  # at most a page of them: both databases take so many parameters
        .group_by(c.recording_id, c.fence)
    )
    for recording_id, fence, size_bytes, elapsed_s in found:
        noted[recording_id][fence] = (int(size_bytes), elapsed_s or 0.0)
    return {
        recording_id: _transfer(row, noted[recording_id])
        for recording_id, row in uploading.items()
        if row.state == State.ARCHIVING or noted[recording_id]
    }


def _transfer(row: sa.Row[Any], noted: dict[int | None, tuple[int, float]]) -> Transfer:
    # parts of a release that noted no fence count as done, and as no run's
    sent_bytes, elapsed_s = noted.get(row.fence, (0, 0.0)) if row.state == State.ARCHIVING else (0, 0.0)
    return Transfer(
        bytes_done=sum(size_bytes for size_bytes, _ in noted.values()),
        size_bytes=row.source_size_bytes,
        sent_bytes=sent_bytes,
        elapsed_s=elapsed_s,
        read_back_bytes=row.read_back_bytes,
    )


def load_unfinished(tx: sa.Connection, row: sa.Row[Any]) -> UnfinishedUpload | None:
    """Return a row's noted upload with its parts; one noted by a release that knew no parts cannot be gone on with."""
    if row.upload_id is None or row.upload_part_size_bytes is None or row.source_size_bytes is None:
        return None
    noted = tx.execute(
        sa.select(upload_parts).where(upload_parts.c.recording_id == row.id).order_by(upload_parts.c.number)
    )
    return UnfinishedUpload(
        upload=OpenUpload(
            key=row.object_key,
            upload_id=row.upload_id,
            rung=Rung(row.upload_rung) if row.upload_rung is not None else Rung.CRC64NVME,
        ),
        part_size_bytes=row.upload_part_size_bytes,
        source_etag=row.source_etag,
        source_size_bytes=row.source_size_bytes,
        parts=tuple(
            UploadedPart(
                number=part.number,
                etag=part.etag,
                size_bytes=part.size_bytes,
                checksum=part.checksum,
                digest=part.digest,
            )
            for part in noted
        ),
    )
