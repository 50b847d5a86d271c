"""Erasing recordings: the index first, so that nobody sees them any more, then bodies, then the bucket.

Each step is safe to repeat, and what is left to do stands in the index: killed anywhere, another run ends it. The
tombstone is stored before the first file is deleted, so that no index forgets an erasure that has begun in the bucket.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from receiver import failpoints, logs, metrics
from receiver.errors import NotFoundError, ReasonError, StoreError
from receiver.failpoints import ErasurePoint
from receiver.objectstore import Tombstones, erase_files
from receiver.records import Actor, Certificate, Erased, Erasing, ErasureOrder, Remaining, Scope, Tombstone

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from receiver.catalogue import Begun, Erasures
    from receiver.objectstore import Bucket
    from receiver.records import Hold, MeetingId, RecordingId
    from receiver.retention.bodies import Redaction

_AT_ONCE = 3
_CHUNK = 8
"""Recordings whose rows are emptied in one transaction: few enough that no delivery waits long for it."""
_TOMBSTONES = 500
_MOST_REASON_CHARS = 500
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_BY_TOMBSTONE = Actor("tombstone")
_log = logs.get("retention")


def check_reason(reason: str) -> str:
    """Return the reason as it is kept for ever; raises `ReasonError` where it cannot stay on record."""
    told = " ".join(reason.split())
    if not told or len(told) > _MOST_REASON_CHARS:
        raise ReasonError(f"the reason has {len(told)} characters", f"give one of 1 to {_MOST_REASON_CHARS}")
    if not told.isprintable():
        raise ReasonError("the reason holds control characters", "give it as plain text")
    if _EMAIL.search(told):
        raise ReasonError(
            "the reason names an e-mail address, and it stays on record for ever",
            "name the request and not the person: its number, its date, the law",
        )
    return told


@dataclass(slots=True)
class _Tally:
    """What one call did so far."""

    erased: list[Erased] = field(default_factory=list)
    before: list[RecordingId] = field(default_factory=list)
    held: dict[RecordingId, tuple[Hold, ...]] = field(default_factory=dict)
    unknown: list[RecordingId] = field(default_factory=list)

    def take(self, begun: Begun) -> None:
        self.before += begun.before
        self.held |= begun.held
        self.unknown += begun.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """`ready` learns what the bucket can do; `remains` says what is left where this service cannot reach.

    `retains`: objects are being retained, and one may be so of which the index was not told.
    """

    index: Erasures
    redaction: Redaction
    bucket: Bucket
    tombstones: Tombstones
    ready: Callable[[], Awaitable[None]]
    remains: Callable[[], Awaitable[tuple[Remaining, ...]]]
    clock: Callable[[], datetime]
    retains: bool = False

    async def erase(
        self,
        ids: Sequence[RecordingId],
        *,
        by: Actor,
        reason: str,
        scope: Scope = Scope.RECORDINGS,
        value: str = "",
    ) -> Certificate:
        """Erase these recordings, whatever their state, but for those that are held; say what was done.

        What the store keeps, or cannot be asked now, is in the certificate with the reason, and is tried again by the
        schedule. Raises `ReasonError`, `NotFoundError` where there is none of them, `StorageUnavailableError`: run
        again, it goes on.
        """
        order, tally = self._order(by, check_reason(reason)), _Tally()
        for start in range(0, len(ids), _CHUNK):
            begun = await self.index.begin(ids[start : start + _CHUNK], order)
            failpoints.reach(ErasurePoint.BEGUN)
            tally.take(begun)
            tally.erased += await self._go_on(begun.erasing)
        if ids and len(tally.unknown) == len(ids):
            raise NotFoundError(f"there is no recording {tally.unknown[0]}")
        return Certificate(
            id=order.certificate_id,
            at=order.at,
            actor=by.name,
            reason=order.reason,
            scope=scope,
            value=value,
            recordings=tuple(tally.erased),
            before=tuple(tally.before),
            held=tally.held,
            remains=await self.remains(),
        )

    async def of_meeting(self, meeting_id: MeetingId, *, by: Actor, reason: str) -> Certificate:
        """Erase all recordings of a meeting, and what deliveries said of it alone; raises as `erase` does."""
        ids = await self.index.of_meeting(meeting_id)
        if not ids:
            raise NotFoundError(f"there is no recording of meeting {meeting_id}")
        certificate = await self.erase(ids, by=by, reason=reason, scope=Scope.MEETING, value=meeting_id)
        if not certificate.held:
            await self.redaction.of_meeting(meeting_id)
        return certificate

    async def finish(self) -> None:
        """End the erasures that were interrupted, or that the store refused; look once more for those that ended.

        What the store still keeps is left for the next time.
        """
        count = 0
        while left := await self.index.left(now=self.clock(), most=_CHUNK):
            await self.index.put_off(left, now=self.clock())
            await self._go_on(left)
            count += len(left)
        if count:
            _log.info("erasures_looked_for", count=count)
            await self.remains()

    async def again(self) -> None:
        """Erase what the bucket says is erased and this index has: it is new, or out of an old backup.

        A hold that such a row shows was released before the erasure. Raises `StoreError` where the store is away.
        """
        await self.ready()
        ids: list[RecordingId] = []
        async for one in self.tombstones.ids():
            ids.append(one)
            if len(ids) == _TOMBSTONES:
                await self._again(ids)
                ids = []
        await self._again(ids)

    async def _again(self, ids: Sequence[RecordingId]) -> None:
        back, lacking = await self.index.unknown(ids)
        now = self.clock()
        added = await self.index.add_erased(await self.tombstones.load_all(lacking, now=now), now=now)
        for tombstone in await self.tombstones.load_all(back, now=now):
            order = self._order(_BY_TOMBSTONE, tombstone.reason)
            begun = await self.index.begin([tombstone.recording_id], order, was_erased=True)
            await self._go_on(begun.erasing)
        if added or back:
            _log.warning("erased_again", added=added, erased=len(back))
            await self.remains()

    def _order(self, by: Actor, reason: str) -> ErasureOrder:
        return ErasureOrder(certificate_id=secrets.token_hex(12), by=by, reason=reason, at=self.clock())

    async def _go_on(self, erasing: Sequence[Erasing]) -> list[Erased]:
        """Take recordings whose rows are emptied out of the bodies and out of the bucket, and note how that went."""
        if not erasing:
            return []
        bodies = await self.redaction.of_recordings([one.recording_id for one in erasing])
        failpoints.reach(ErasurePoint.BODIES_REWRITTEN)
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(each: Erasing) -> Erased:
            async with room:
                return await self._out_of_bucket(each, bodies)

        found = list(await asyncio.gather(*map(one, erasing)))
        pairs = list(zip(erasing, found, strict=True))
        done = [(one, len(made.files), made.bodies) for one, made in pairs if made.refused_because is None]
        refused = [(one, made.refused_because) for one, made in pairs if made.refused_because is not None]
        failpoints.reach(ErasurePoint.VERSIONS_GONE)
        await self.index.note(done, refused, now=self.clock())
        failpoints.reach(ErasurePoint.ERASED)
        metrics.erasures.labels(outcome="erased").inc(sum(not one.is_done for one, *_ in done))
        metrics.erasures.labels(outcome="refused").inc(len(refused))
        return found

    async def _out_of_bucket(self, erasing: Erasing, bodies: Counter[RecordingId]) -> Erased:
        tombstone = Tombstone(
            recording_id=erasing.recording_id,
            meeting_id=erasing.meeting_id,
            erased_at=erasing.begun_at,
            reason=erasing.reason,
        )
        changed = bodies[erasing.recording_id]
        try:
            await self.ready()
            if not erasing.is_done:
                await self.tombstones.store(tombstone)
                failpoints.reach(ErasurePoint.TOMBSTONE_STORED)
            retained = self.retains or erasing.retained
            files = await erase_files(self.bucket, erasing.stems, erasing.files, erasing.uploads, retained=retained)
        except StoreError as e:
            _log.warning("erasure_refused", recording_id=erasing.recording_id, code=e.code, error=str(e))
            return Erased(recording_id=erasing.recording_id, bodies=changed, refused_because=str(e))
        if files and erasing.is_done:
            _log.warning("erased_files_came_again", recording_id=erasing.recording_id, files=len(files))
        elif not erasing.is_done:
            _log.info("recording_erased", recording_id=erasing.recording_id, files=len(files))
        return Erased(recording_id=erasing.recording_id, files=tuple(files), bodies=changed)
