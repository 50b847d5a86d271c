"""Rows made again from manifests: what a lost index is rebuilt from, and what one that is there is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.rows import load_recordings, write_facts, write_participants
from receiver.catalogue.run_columns import proven_by
from receiver.records import Recording, RecordingId, State, Via
from receiver.tables import Database, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from receiver.manifests import Manifest


class RebuiltRows:
    """Adds rows where there are none, and changes only such as it has added itself."""

    def __init__(self, database: Database, *, bucket: str) -> None:
        self._database = database
        self._bucket = bucket

    async def known(self, ids: Sequence[RecordingId]) -> Mapping[RecordingId, Recording]:
        """Return the rows of these recordings that there are."""

        def read(tx: sa.Connection) -> list[Recording]:
            found = [
                row
                for piece in pieces(ids)
                for row in tx.execute(sa.select(recordings).where(recordings.c.id.in_(piece)))
            ]
            return load_recordings(tx, found)

        return {one.id: one for one in await self._database.read(read)}

    async def write(
        self,
        added: Sequence[Manifest],
        newer: Sequence[Manifest],
        *,
        actor: str,
        now: datetime,
        also: Callable[[sa.Connection], None],
    ) -> int:
        """Add the rows, let rows that were added before name a newer file, and do `also`, in one transaction.

        Returns how many rows were added: one that came meanwhile stays as it is.
        """

        def write(tx: sa.Connection) -> int:
            fresh = []
            for manifest in added:
                insert = self._database.insert(recordings).values(self._row(manifest))
                one = insert.on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)
                if tx.execute(one).one_or_none() is not None:
                    fresh.append(manifest)
            write_participants(tx, [manifest.facts for manifest in fresh])
            for manifest in newer:
                self._replace(tx, manifest)
            for manifest in fresh:
                details = {"key": manifest.stored.key, "sha256": manifest.stored.sha256}
                audit_log.append(
                    tx,
                    audit_log.AuditEntry(
                        at=now, actor=actor, action="reindexed", subject=manifest.facts.id, details=details
                    ),
                )
            also(tx)
            return len(fresh)

        return await self._database.write(write)

    def _replace(self, tx: sa.Connection, manifest: Manifest) -> None:
        """Let a row that was added before name a newer file of its recording, which nobody has read again yet."""
        c = recordings.c
        ours = (c.id == manifest.facts.id, c.state == State.ARCHIVED, c.first_seen_via == Via.REINDEX)
        values = write_facts(manifest.facts) | self._object(manifest)
        values |= {"verified_at": None, "fixity": None, "unread_since": None}
        if tx.execute(sa.update(recordings).where(*ours).values(values)).rowcount:
            tx.execute(sa.delete(participants).where(participants.c.recording_id == manifest.facts.id))
            write_participants(tx, [manifest.facts])

    def _row(self, manifest: Manifest) -> dict[str, Any]:
        facts = manifest.facts
        return (
            {"id": facts.id, "created_at": facts.vendor.created_at or manifest.first_seen_at}
            | write_facts(facts)
            | {
                "state": State.ARCHIVED,
                "attempts": 0,
                "first_seen_via": Via.REINDEX,
                "first_seen_at": manifest.first_seen_at,
            }
            | self._object(manifest)
        )

    def _object(self, manifest: Manifest) -> dict[str, Any]:
        stored = manifest.stored
        is_here = stored.bucket == self._bucket  # a version's id is the bucket's own
        return {
            "url_origin": manifest.url_origin,
            "object_bucket": self._bucket,
            "object_key": stored.key,
            "object_version_id": stored.version_id if is_here else None,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "checksum": stored.checksum,
            "content_type": stored.content_type,
            "incomplete": stored.incomplete,
            "archived_at": manifest.archived_at,
            **proven_by(stored, manifest.archived_at),
        }
