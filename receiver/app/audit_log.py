"""Sealing the log once for all processes, and keeping its end in the bucket, out of reach of the database's users."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from receiver import logs
from receiver.app.configs import bucket_config
from receiver.app.opening import index_beside, utc_now
from receiver.app.store import OWN_KEYS, root_of
from receiver.catalogue import audit_log
from receiver.errors import JobError, StorageUnavailableError
from receiver.jobs import Schedule
from receiver.objectstore import open_bucket
from receiver.records import ChainHead

if TYPE_CHECKING:
    from receiver.app.store import StoreLessons
    from receiver.objectstore import Bucket
    from receiver.records import ChainReport
    from receiver.settings import Settings
    from receiver.tables import Database

HEAD_KEY = f"{OWN_KEYS}audit-log/head.json"
"""Under the root of all keys, beside what trials write."""
_SEAL_EVERY = timedelta(seconds=10)
_HEAD_EVERY = timedelta(minutes=15)
_HEAD_FIRST_AFTER = timedelta(minutes=5)
_MOST_HEAD_BYTES = 4096
_VERSION = 1
_UNREADABLE = ChainHead(entry_id=0, hash="")
"""No log holds it, so it is neither replaced nor passed over."""
_log = logs.get("app")


def head_key(settings: Settings) -> str:
    """Return where in the bucket the log's end is kept."""
    return f"{root_of(settings)}{HEAD_KEY}"


def schedules(settings: Settings, database: Database, lessons: StoreLessons) -> tuple[Schedule, ...]:
    """Return what seals entries soon after they were written, and what keeps the log's end in the bucket."""

    async def seal() -> None:
        await audit_log.seal(database)

    async def keep() -> None:
        await lessons.ready()
        await keep_head(database, lessons.bucket, head_key(settings))

    return (
        Schedule(name="seal-audit-log", every=_SEAL_EVERY, first_after=_SEAL_EVERY, action=seal),
        Schedule(name="audit-log-head", every=_HEAD_EVERY, first_after=_HEAD_FIRST_AFTER, action=keep),
    )


async def keep_head(database: Database, bucket: Bucket, key: str) -> bool:
    """Write the log's end under `key` if it has grown, and tell whether the bucket has it now.

    The kept one is replaced only while the log still holds it: a cut is not covered up. Where two processes write at
    once, either head is one of this log's. Raises `StoreError`, `StorageUnavailableError`.
    """
    kept = await read_kept(bucket, key)
    head = await database.read(audit_log.read_head)
    if kept is not None and not await database.read(lambda tx: audit_log.holds(tx, kept)):
        _log.error("audit_log_cut", kept_entry=kept.entry_id, newest_entry=head.entry_id if head else None, key=key)
        return False
    if head is None or head == kept:
        return True
    body = json.dumps({"version": _VERSION, **asdict(head), "at": utc_now().isoformat()}).encode()
    await bucket.replace(key, body, content_type="application/json")
    return True


async def read_kept(bucket: Bucket, key: str) -> ChainHead | None:
    """Return the end of the log that the bucket keeps; one that cannot be read vouches for nothing and is no head."""
    if await bucket.head(key) is None:
        return None
    body = bytearray()
    async for chunk in bucket.read(key):
        body += chunk
        if len(body) > _MOST_HEAD_BYTES:
            break
    try:
        told = json.loads(body)
        return ChainHead(entry_id=int(told["entry_id"]), hash=str(told["hash"]))
    except (ValueError, TypeError, KeyError):
        _log.error("audit_log_head_unreadable", key=key)
        return _UNREADABLE


@dataclass(frozen=True, slots=True)
class Verified:
    """What the log was found to be, and how far the bucket vouches for it."""

    report: ChainReport
    told: str


async def verify_log(settings: Settings) -> Verified:
    """Read the whole log, and compare its end with what the bucket keeps of it; raises `SchemaOutdatedError`.

    What is not sealed yet is sealed before, where this user may write.
    """
    async with index_beside(settings) as database:
        kept, told = await _kept(settings)
        try:
            await audit_log.seal(database, wait=True)
        except StorageUnavailableError as e:
            _log.warning("audit_log_not_sealed", error=str(e))
        return Verified(await audit_log.inspect(database, kept=kept), told)


async def _kept(settings: Settings) -> tuple[ChainHead | None, str]:
    if settings.s3_bucket is None:
        return None, "its end was not compared with the bucket's note of it, since RECEIVER_S3_BUCKET is not set"
    try:
        async with open_bucket(bucket_config(settings)) as bucket:
            kept = await read_kept(bucket, head_key(settings))
    except JobError as e:
        return None, f"its end was not compared with the bucket's note of it ({e})"
    if kept is None:
        return None, "the bucket has no note of its end yet"
    if kept == _UNREADABLE:
        return kept, f"the bucket's note of its end, {head_key(settings)}, cannot be read"
    return kept, f"the bucket notes entry {kept.entry_id}"
