"""What is known of the bucket: learnt by trying it, kept in the index, and learnt again where it may have changed."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.opening import utc_now
from receiver.catalogue import StoreNotes
from receiver.errors import ReceiverError
from receiver.jobs import Schedule
from receiver.objectstore import TRIAL, clear_trials, learn
from receiver.pipeline import KeyTemplate, end_strays

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from receiver.catalogue import Runs
    from receiver.objectstore import Bucket
    from receiver.records import Learnt
    from receiver.settings import Settings
    from receiver.tables import Database

OWN_KEYS = ".receiver-"
"""What the service's own small objects begin with, under the root of all keys: no recordings and no manifests."""
FOLDER = f"{OWN_KEYS}check/"
"""Under the root of all keys, so that a policy which covers recordings covers trial and check."""
_DOUBTED_AFTER = timedelta(hours=1)
"""For so long a store that calls itself something else, or that was tried at a bad moment, is not tried again."""
_REFUSED_AFTER = timedelta(minutes=10)
"""The same, where it refuses what it took before."""
_LONGEST_TRIAL = timedelta(minutes=15)
_log = logs.get("app")


def place_of(settings: Settings) -> str:
    """Name the bucket, and how objects are written there, since an ETag depends on it."""
    where = f"{settings.s3_endpoint_url or settings.s3_region or 'aws'} {settings.s3_bucket}"
    how = (settings.s3_storage_class, settings.s3_sse, settings.s3_kms_key_id)
    return " ".join([where, *(one for one in how if one)])


def trial_key(settings: Settings) -> str:
    """Return a key that nobody else uses."""
    return f"{root_of(settings)}{FOLDER}{secrets.token_hex(6)}{TRIAL}"


def root_of(settings: Settings) -> str:
    """Return what all keys of this archive begin with."""
    return KeyTemplate(settings.s3_prefix, settings.key_template).root


@dataclass(slots=True, kw_only=True)
class StoreLessons:
    """`receiver.pipeline.StoreKnowledge`: sets the bucket's abilities to what was learnt of it.

    The trial itself needs the store: one that is away is not learnt as incapable, but raises as it does for a run.
    """

    bucket: Bucket
    notes: StoreNotes
    key: Callable[[], str]
    clock: Callable[[], datetime] = utc_now
    _learnt: Learnt | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ready(self) -> None:
        """Return once the bucket's abilities are known; raises `StoreError`, or `StorageUnavailableError`."""
        if not self._is_doubted():
            return
        async with self._lock:
            if self._is_doubted():
                self._take(await self._known() or await self._tried())

    async def is_changed(self) -> bool:
        """Try the bucket again after it refused something, and tell whether it does other things than before."""
        async with self._lock:
            before = self._learnt
            if before is None or self.clock() - before.at < _REFUSED_AFTER:
                return False
            self._take(await self._tried())
            return self.bucket.abilities != before.abilities

    async def clear(self) -> None:
        """Remove what trials left whose process was killed; raises `StoreError`."""
        folder = f"{self.key().rpartition('/')[0]}/"
        await clear_trials(self.bucket, folder, before=self.clock() - _LONGEST_TRIAL)

    def _is_doubted(self) -> bool:
        learnt = self._learnt
        if learnt is None:
            return True
        is_as_then = learnt.is_sure and self.bucket.server in {None, learnt.server}
        return not is_as_then and self.clock() - learnt.at >= _DOUBTED_AFTER

    async def _known(self) -> Learnt | None:
        """Return what this or another process has learnt, if the store still calls itself the same."""
        noted = await self.notes.load()
        if noted is None:
            return None
        server = await self.bucket.asked_for_server()
        is_lately = self.clock() - noted.at < _DOUBTED_AFTER
        return noted if server == noted.server and (noted.is_sure or is_lately) else None

    async def _tried(self) -> Learnt:
        learnt = await learn(self.bucket, self.key(), now=self.clock())
        await self.notes.save(learnt)
        return learnt

    def _take(self, learnt: Learnt) -> None:
        self._learnt = learnt
        self.bucket.abilities = learnt.abilities


def store_lessons(settings: Settings, database: Database, bucket: Bucket) -> StoreLessons:
    """Make what keeps the bucket's abilities in this index."""
    return StoreLessons(bucket=bucket, notes=StoreNotes(database, place_of(settings)), key=lambda: trial_key(settings))


@asynccontextmanager
async def learning_early(lessons: StoreLessons) -> AsyncIterator[None]:
    """Learn beside the block, before the first recording comes; the runs wait for a store that is away."""
    learning = asyncio.create_task(_learnt(lessons), name="learn")
    try:
        yield
    finally:
        learning.cancel()
        await asyncio.wait({learning})


async def _learnt(lessons: StoreLessons) -> None:
    try:
        await lessons.ready()
    except ReceiverError as e:
        _log.warning("store_not_tried", error=str(e))


def stray_schedules(lessons: StoreLessons, runs: Runs, keys: KeyTemplate) -> tuple[Schedule, ...]:
    """Return what ends each hour what killed trials and runs left.

    Where no root tells this service's uploads from those of others, only those of trials are.
    """

    async def strays() -> None:
        await lessons.ready()
        if keys.root:
            await end_strays(lessons.bucket, runs, root=keys.root, now=lessons.clock())
        await lessons.clear()

    return (Schedule(name="strays", every=timedelta(hours=1), first_after=timedelta(minutes=1), action=strays),)
