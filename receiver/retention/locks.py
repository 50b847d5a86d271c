"""Holds on the objects too: the bucket's own lock follows the index, where the bucket was seen to mean it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from receiver import logs
from receiver.errors import StoreRefusedError
from receiver.records import Actor

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.catalogue import LockIndex
    from receiver.records import Recording

_BY = Actor("object-lock")
_PAGE_ROWS = 100
_log = logs.get("retention")


class Locks(Protocol):
    """`receiver.objectstore.LockingBucket`."""

    async def try_locking(self, key: str) -> str | None: ...
    async def set_hold(self, key: str, version_id: str, *, on: bool) -> None: ...


@dataclass(kw_only=True)
class ObjectLocks:
    """Sets and lifts locks. The index decides what may be deleted; a lock only keeps others from the object."""

    index: LockIndex
    bucket: Locks
    trial_key: Callable[[], str]
    clock: Callable[[], datetime]
    _may_lock: bool | None = field(default=None, init=False)

    async def follow(self) -> None:
        """Lock what is held and not locked, unlock what is released; safe to repeat.

        Before the first of this process, the store is tried on an object of our own; where it does not mean it, nothing
        is asked of any other. Raises `StoreError` where the store is away.
        """
        if self._may_lock is None:
            why = await self.bucket.try_locking(self.trial_key())
            self._may_lock = why is None
            if why is not None:
                _log.warning("object_lock_not_usable", reason=why)
        if self._may_lock:
            for held in (True, False):
                await self._all(held=held)

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
        except StoreRefusedError as e:  # of this object: the others are not to wait for it
            _log.warning("object_not_locked", recording_id=recording.id, on=on, error=str(e))
            return
        await self.index.note(recording, locked=on, by=_BY, now=self.clock())
