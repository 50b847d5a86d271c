"""Holds and retention on the objects too: the bucket's lock follows the index, where it was seen to mean it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from receiver import logs
from receiver.errors import StoreDeniedError, StoreRefusedError
from receiver.records import Actor

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import LockIndex
    from receiver.records import Recording, RetentionPeriod

_BY = Actor("object-lock")
_PAGE_ROWS = 100
_MOST_PAGES = 10
"""Retained in one call: a whole archive, of which this is new, must not keep holds waiting."""
_START = (-1, "")
_REFUSED = (StoreRefusedError, StoreDeniedError)
_log = logs.get("retention")


class Locks(Protocol):
    """`receiver.objectstore.LockingBucket`."""

    async def try_locking(self, key: str, *, retaining: bool = False) -> str | None: ...
    async def set_hold(self, key: str, version_id: str, *, on: bool) -> None: ...
    async def set_retention(self, key: str, version_id: str, *, until: datetime) -> datetime: ...


@dataclass(kw_only=True)
class ObjectLocks:
    """Sets and lifts locks. The index decides what may be deleted; a lock only keeps others from the object.

    With a `period`, each object is retained until its recording is due; one that was retained longer stays so.
    """

    index: LockIndex
    bucket: Locks
    trial_key: Callable[[], str]
    clock: Callable[[], datetime]
    period: RetentionPeriod | None = None
    _after: tuple[int, str] = field(default=_START, init=False)
    _may_lock: bool | None = field(default=None, init=False)

    async def follow(self) -> None:
        """Lock what is held and not locked, unlock what is released, retain what is not yet; safe to repeat.

        Before the first of this process, the store is tried on an object of our own; where it does not mean it, nothing
        is asked of any other. Raises `StoreError` where the store is away.
        """
        if self._may_lock is None:
            why = await self.bucket.try_locking(self.trial_key(), retaining=self.period is not None)
            self._may_lock = why is None
            if why is not None:
                _log.warning("object_lock_not_usable", reason=why)
        if self._may_lock:
            for held in (True, False):
                await self._all(held=held)
            if self.period is not None:
                await self._retain(self.period)

    async def _all(self, *, held: bool) -> None:
        after = ""
        while page := await self.index.differing(held=held, after=after, most=_PAGE_ROWS):
            for recording in page:
                await self._one(recording, on=held)
            after = page[-1].id

    async def _one(self, recording: Recording, *, on: bool) -> None:
        stored = recording.archive
        if stored is None or stored.version_id is None:
            return
        try:
            await self.bucket.set_hold(stored.key, stored.version_id, on=on)
        except _REFUSED as e:  # of this object: the others are not to wait for it
            _log.warning("object_not_locked", recording_id=recording.id, on=on, error=str(e))
            return
        await self.index.note(recording, locked=on, by=_BY, now=self.clock())

    async def _retain(self, period: RetentionPeriod) -> None:
        """Go on with what is to be retained where the last call ended; what was refused comes again after the rest."""
        for _ in range(_MOST_PAGES):
            page = await self.index.retained_less(period.days.days, after=self._after, most=_PAGE_ROWS)
            for one in page:
                await self._retain_one(one.recording, period)
            self._after = (page[-1].days, page[-1].recording.id) if page else _START
            if not page:
                return

    async def _retain_one(self, recording: Recording, period: RetentionPeriod) -> None:
        stored, now, until = recording.archive, self.clock(), period.due_at(recording)
        if stored is None or stored.version_id is None:
            return
        told = None
        if until is not None and until > now:
            until = (until + timedelta(seconds=1) - timedelta(microseconds=1)).replace(microsecond=0)
            try:
                told = await self.bucket.set_retention(stored.key, stored.version_id, until=until)
            except _REFUSED as e:
                _log.warning("object_not_retained", recording_id=recording.id, error=str(e))
                return
        await self.index.note_retained(recording, days=period.days.days, until=told, by=_BY, now=now)
