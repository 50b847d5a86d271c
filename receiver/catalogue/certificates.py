"""Certificates as they can be read later: without keys, which may hold names and go with the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.errors import NotFoundError
from receiver.records import CertificateLine, CertificateSummary, RecordingId
from receiver.tables import Database, erasures, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LISTED = 200


class Certificates:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, *, most: int = _MOST_LISTED) -> list[CertificateSummary]:
        """Return the newest."""
        c = erasures.c
        query = _summaries().order_by(sa.desc("begun_at"), c.certificate_id).limit(most)
        return await self._database.read(lambda tx: [_summary(row) for row in tx.execute(query)])

    async def one(self, certificate_id: str, *, most: int) -> tuple[CertificateSummary, list[CertificateLine]]:
        """Return a certificate with its first recordings; raises `NotFoundError`."""
        c = erasures.c
        lines = sa.select(c.recording_id, c.done_at, c.versions_count, c.bodies_count, recordings.c.error_message)
        lines = lines.join(recordings, recordings.c.id == c.recording_id).where(c.certificate_id == certificate_id)

        def read(tx: sa.Connection) -> tuple[Any, Sequence[Any]]:
            summary = tx.execute(_summaries().where(c.certificate_id == certificate_id)).one_or_none()
            return summary, tx.execute(lines.order_by(c.recording_id).limit(most)).all()

        summary, rows = await self._database.read(read)
        if summary is None:
            raise NotFoundError("there is no such certificate")
        return _summary(summary), [
            CertificateLine(
                recording_id=RecordingId(row.recording_id),
                done_at=row.done_at,
                versions=row.versions_count,
                bodies=row.bodies_count,
                refused_because=row.error_message,
            )
            for row in rows
        ]


def _summaries() -> sa.Select[Any]:
    c = erasures.c
    at = sa.func.min(c.begun_at, type_=c.begun_at.type).label("begun_at")
    count, done = sa.func.count().label("recordings"), sa.func.count(c.done_at).label("done")
    sums = (sa.func.sum(c.versions_count).label("versions"), sa.func.sum(c.bodies_count).label("bodies"))
    query = sa.select(c.certificate_id, c.actor, c.reason, at, count, done, *sums)
    # a row that was made of a tombstone has none
    return query.where(sa.func.length(c.certificate_id) > 0).group_by(c.certificate_id, c.actor, c.reason)


def _summary(row: sa.Row[Any]) -> CertificateSummary:
    return CertificateSummary(
        id=row.certificate_id,
        at=row.begun_at,
        actor=row.actor,
        reason=row.reason,
        recordings=row.recordings,
        done=row.done,
        versions=int(row.versions),
        bodies=int(row.bodies),
    )
