"""The index, rebuilt from what lies in the bucket alone, or compared with it (P7). The platform is not asked."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.errors import ManifestUnreadableError, ObjectGoneError
from receiver.fixity.listing import SortedKeys, sorted_keys
from receiver.manifests import Manifest, differences, manifest_key, object_key, read_manifest
from receiver.objectstore import fetch_manifest
from receiver.records import RecordingId, ReindexTally, State, Via

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from receiver.catalogue import BucketWalks, FixityIndex, RebuiltRows
    from receiver.objectstore import Bucket, Tombstones
    from receiver.records import Actor, Recording

NAME = "reindex"
KEPT_FOR = timedelta(days=7)
_AT_ONCE = 16
_log = logs.get("fixity")


@dataclass(slots=True, kw_only=True)
class Reindex:
    """`prefix` is what the bucket's keys of this archive begin with, `root` those that the template makes today.

    `own` is what keys of the service's own small objects begin with. With `writes` the index gets what it lacks;
    without, nothing is written anywhere. `on_difference` hears of each thing that is not as it should be.
    """

    bucket: Bucket
    rows: RebuiltRows
    index: FixityIndex
    walks: BucketWalks
    tombstones: Tombstones
    clock: Callable[[], datetime]
    prefix: str
    root: str
    own: str
    by: Actor
    writes: bool
    on_difference: Callable[[str], None]
    on_progress: Callable[[ReindexTally], None]
    tally: ReindexTally = field(default_factory=ReindexTally)

    async def run(self) -> bool:
        """Go through all manifests; tell whether an earlier run was gone on with.

        Raises `StoreError` or `StorageUnavailableError`: run again, it goes on where it was.
        """
        begun = await self.walks.begun(NAME, now=self.clock(), kept_for=KEPT_FOR) if self.writes else None
        after = ""
        if begun is not None:
            after, counted = begun
            self.tally = ReindexTally(**counted)
        with sorted_keys() as keys:
            await keys.take(self._listed())
            erased = await keys.take_erased(self.tombstones.ids())
            for page in keys.manifests(after=after):
                await self._page(keys, page)
                self.on_progress(self.tally)
            for key in keys.without_manifest(self.root):
                self.tally.objects_without_manifest += 1
                self._tell(f"{key} has no manifest, so nothing says what it is")
            if self.writes:
                await self._add_erased(keys)
            else:
                await self._rows_without(keys)
            self.tally.erased += erased
        if self.writes:
            await self.walks.end(NAME)
        return begun is not None

    async def _listed(self) -> AsyncIterator[str]:
        async for key in self.bucket.keys(self.prefix):
            if not key.startswith(self.own):
                yield key

    async def _page(self, keys: SortedKeys, page: Sequence[str]) -> None:
        room = asyncio.Semaphore(_AT_ONCE)

        async def read(key: str) -> Manifest | None:
            async with room:
                return await self._read(keys, key)

        newest: dict[str, Manifest] = {}
        for manifest in await asyncio.gather(*map(read, page)):
            if manifest is None:
                continue
            before = newest.get(manifest.facts.id)
            if before is not None:
                self.tally.equal += 1  # another file of the same recording: the later one is its row's
            if before is None or manifest.proven_at >= before.proven_at:
                newest[manifest.facts.id] = manifest
        for one in [one for one in newest if keys.is_erased(one)]:
            del newest[one]  # the store kept it; the service goes on with its erasure
        known = await self.rows.known([one.facts.id for one in newest.values()])
        added: list[Manifest] = []
        newer: list[Manifest] = []
        for manifest in newest.values():
            self._judge(keys, manifest, known.get(manifest.facts.id), added, newer)
        if self.writes:
            await self._write(added, newer, place=page[-1])
        else:
            self.tally.added += len(added)

    async def _read(self, keys: SortedKeys, key: str) -> Manifest | None:
        """Return the manifest under a key, or count why there is none to go by."""
        try:
            manifest = read_manifest(await fetch_manifest(self.bucket, key))
        except ObjectGoneError:
            return None
        except ManifestUnreadableError as e:
            if key.startswith(self.root):
                self.tally.manifests += 1
                self.tally.differing += 1
                self._tell(f"{key}: {e}")
            return None
        self.tally.manifests += 1
        if not keys.has(object_key(key) or ""):
            self.tally.manifests_without_object += 1
            self._tell(f"{key} lies beside no object")
            return None
        if manifest_key(manifest.stored.key) != key:
            self.tally.differing += 1
            self._tell(f"{key} is of another object, {manifest.stored.key}")
            return None
        return manifest

    def _judge(
        self,
        keys: SortedKeys,
        manifest: Manifest,
        row: Recording | None,
        added: list[Manifest],
        newer: list[Manifest],
    ) -> None:
        if row is None:
            if self.writes or keys.tell(manifest.facts.id):
                added.append(manifest)
            else:
                self.tally.equal += 1
        elif row.state is State.ERASED:
            self.tally.erased += 1
        elif row.archive is None or row.archived_at is None:
            self._differs(manifest, f"the index says {row.state}")
        elif row.archive.key == manifest.stored.key:
            if changed := differences(manifest, row):
                self._differs(manifest, f"the index says another {', '.join(changed[:5])}")
            else:
                self.tally.equal += 1
        elif manifest.proven_at <= ((row.archive.proof and row.archive.proof.at) or row.archived_at):
            self.tally.equal += 1
        elif self.writes and row.first_seen_via is Via.REINDEX:
            newer.append(manifest)
            self.tally.equal += 1
        else:
            self._differs(manifest, f"the index names an older file, {row.archive.key}")

    async def _write(self, added: Sequence[Manifest], newer: Sequence[Manifest], *, place: str) -> None:
        now = self.clock()
        tally = asdict(self.tally) | {"added": self.tally.added + len(added)}
        noted = self.walks.noting(NAME, place, tally, now=now)
        count = await self.rows.write(added, newer, by=self.by, now=now, also=noted)
        self.tally.added += count
        self.tally.equal += len(added) - count  # a run has archived it meanwhile

    async def _add_erased(self, keys: SortedKeys) -> None:
        """Let the index know what is erased, so that no other path takes it in."""
        for page in keys.erased():
            known = await self.rows.known([RecordingId(one) for one in page])
            lacking = [RecordingId(one) for one in page if one not in known]
            loaded = await self.tombstones.load_all(lacking, now=self.clock())
            await self.rows.add_erased(loaded, now=self.clock())

    async def _rows_without(self, keys: SortedKeys) -> None:
        """Count archived rows of which the bucket has neither object nor manifest."""
        async for recording in self.index.archived():
            stored = recording.archive
            if stored is None or stored.bucket != self.bucket.name:
                continue
            if not (keys.has(stored.key) or keys.has(manifest_key(stored.key))):
                self.tally.differing += 1
                self._tell(f"{recording.id}: neither {stored.key} nor its manifest is in the bucket")

    def _differs(self, manifest: Manifest, how: str) -> None:
        self.tally.differing += 1
        self._tell(f"{manifest.facts.id}, {manifest.stored.key}: {how}")

    def _tell(self, what: str) -> None:
        _log.info("reindex_difference", what=what)
        self.on_difference(what)
