"""Rows made again from manifests: what a lost index is rebuilt from, and what one that is there is compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import audit_log
from receiver.catalogue.deliveries import pieces
from receiver.catalogue.erased_persons import ErasedPersons
from receiver.catalogue.erasure_rows import add_erased
from receiver.catalogue.holds import any_may_come, held_among, mark
from receiver.catalogue.indexing import index_new, place_of, reindex, text_of_facts
from receiver.catalogue.rows import load_recordings, write_attendees, write_facts, write_participants
from receiver.catalogue.run_columns import proven_by
from receiver.records import Action, Recording, RecordingId, State, Via
from receiver.tables import Database, attendees, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from receiver.manifests import Manifest
    from receiver.records import Actor, Tombstone


class RebuiltRows:
    """Adds rows where there are none, and changes only such as it has added itself."""

    def __init__(self, database: Database, *, bucket: str) -> None:
        self._database = database
        self._bucket = bucket
        self._persons = ErasedPersons()
        self._add = database.insert(recordings).on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)

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
        all_added: Sequence[Manifest],
        all_newer: Sequence[Manifest],
        *,
        by: Actor,
        now: datetime,
        also: Callable[[sa.Connection], None],
    ) -> int:
        """Add the rows, let rows that were added before name a newer file, and do `also`, in one transaction.

        Returns how many rows were added: one that came meanwhile stays as it is, and so does one that is held.
        """

        def write(tx: sa.Connection) -> int:
            may_be_held = any_may_come(tx)
            added, newer = self._cleaned(tx, all_added), self._cleaned(tx, all_newer)
            rows = [self._row(manifest) for manifest in added]
            new = set(tx.execute(self._add, rows).scalars()) if rows else set()
            fresh = [manifest for manifest in added if manifest.facts.id in new]
            write_participants(tx, [manifest.facts for manifest in fresh])
            write_attendees(tx, [manifest.facts for manifest in fresh])
            index_new(tx, rows, new)
            held = held_among(tx, [manifest.facts.id for manifest in newer])
            for manifest in newer:
                if manifest.facts.id not in held:
                    self._replace(tx, manifest)
            if may_be_held:
                mark(tx, [*new, *(manifest.facts.id for manifest in newer)], at=now)
            audit_log.append_all(tx, [_reindexed(manifest, by, now) for manifest in fresh])
            also(tx)
            return len(fresh)

        return await self._database.write(write)

    async def add_erased(self, tombstones: Sequence[Tombstone], *, now: datetime) -> int:
        """Add rows of erased recordings that the index has not; return how many."""
        return await self._database.write(lambda tx: add_erased(tx, self._database, tombstones, now=now))

    def _cleaned(self, tx: sa.Connection, manifests: Sequence[Manifest]) -> Sequence[Manifest]:
        """Return the manifests without erased persons, and without what such a person hosted before."""
        if self._persons.are_none(tx):
            return manifests
        return [replace(one, facts=facts) for one in manifests for facts in self._persons.cleaned([one.facts])]

    def _replace(self, tx: sa.Connection, manifest: Manifest) -> None:
        """Let a row that was added before name a newer file of its recording, which nobody has read again yet."""
        c = recordings.c
        ours = (c.id == manifest.facts.id, c.state == State.ARCHIVED, c.first_seen_via == Via.REINDEX)
        values = write_facts(manifest.facts) | self._object(manifest)
        values |= {"verified_at": None, "fixity": None, "unread_since": None}
        if tx.execute(sa.update(recordings).where(*ours).values(values)).rowcount:
            for people in (participants, attendees):
                tx.execute(sa.delete(people).where(people.c.recording_id == manifest.facts.id))
            write_participants(tx, [manifest.facts])
            write_attendees(tx, [manifest.facts])
            reindex(tx, [manifest.facts.id])

    def _row(self, manifest: Manifest) -> dict[str, Any]:
        facts = manifest.facts
        created_at = facts.vendor.created_at or manifest.first_seen_at
        return (
            write_facts(facts)
            | {
                "id": facts.id,
                "created_at": created_at,
                "search_text": text_of_facts(facts),
                "place": place_of(created_at, facts.id),
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
            "object_locked": False,
            "retained_until": None,
            "retained_days": 0,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "checksum": stored.checksum,
            "content_type": stored.content_type,
            "incomplete": stored.incomplete,
            "archived_at": manifest.archived_at,
            **proven_by(stored, manifest.archived_at),
        }


def _reindexed(manifest: Manifest, by: Actor, now: datetime) -> audit_log.AuditEntry:
    stored = manifest.stored
    return audit_log.AuditEntry.of(by, Action.REINDEXED, manifest.facts.id, at=now, sha256=stored.sha256)
