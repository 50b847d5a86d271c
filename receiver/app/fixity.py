"""Reading archived objects again, as the service's schedule and as the commands beside it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from receiver.app import notices
from receiver.app.configs import api_config, bucket_config, download_policy, limits
from receiver.app.opening import api_of, index_beside, utc_now
from receiver.app.store import OWN_KEYS, root_of, store_lessons
from receiver.catalogue import BucketWalks, FixityIndex, RebuiltRows
from receiver.fixity import Audit, AuditWalk, DueReadings, ObjectReader, ReadingRate, Reindex, Repair
from receiver.jobs import Schedule
from receiver.objectstore import Tombstones, open_bucket
from receiver.operators import actor_of
from receiver.records import Origin
from receiver.transfer import DownloadPolicy, open_copier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from receiver.objectstore import Bucket
    from receiver.operators import OsUser
    from receiver.records import AuditTally, ReindexTally, Verdict
    from receiver.settings import Settings
    from receiver.tables import Database

_FIRST_AFTER = timedelta(minutes=10)
_LONGEST_TICK = timedelta(minutes=10)
_TICKS = 50
"""How finely the period is cut: so late a reading may come after its time."""
_ANY_ADDRESS = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The operators' own bucket may lie on any address."""
_PATIENCE_S = 900.0
"""How long a command waits for a store that is away."""


def make_audit(settings: Settings, database: Database, bucket: Bucket, *, patience_s: float) -> Audit:
    """Make what reads objects, at `AUDIT_MB_S`."""
    index = FixityIndex(database, notices.outbox(settings))
    pace = ReadingRate(settings.audit_mb_s * 1_000_000, index.copies_run)
    return Audit(reader=ObjectReader(bucket=bucket, pace=pace), index=index, clock=utc_now, patience_s=patience_s)


@asynccontextmanager
async def open_audit(
    settings: Settings,
    by: OsUser,
    on_verdict: Callable[[Verdict, str | None, AuditTally], None],
    *,
    repairs: bool,
) -> AsyncIterator[AuditWalk]:
    """Open an audit for a command that runs beside the service; raises `SchemaOutdatedError`."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(index_beside(settings))
        # the audit itself tries again what fails: repeated by the library too, one bad object takes minutes
        bucket = await stack.enter_async_context(open_bucket(replace(bucket_config(settings), attempts=1)))
        yield AuditWalk(
            repair=await _repair(stack, settings, database) if repairs else None,
            audit=make_audit(settings, database, bucket, patience_s=_PATIENCE_S),
            index=FixityIndex(database, notices.outbox(settings)),
            walks=BucketWalks(database),
            clock=utc_now,
            by=actor_of(by),
            on_verdict=on_verdict,
        )


async def _repair(stack: AsyncExitStack, settings: Settings, database: Database) -> Repair:
    bucket = await stack.enter_async_context(open_bucket(bucket_config(settings)))
    config = api_config(lambda: settings)
    own = urlsplit(await bucket.presign_download("x", expires_s=60, filename=None, content_type=None))
    port = own.port or {"http": 80, "https": 443}[own.scheme]
    own_policy = DownloadPolicy(origins=(Origin(own.scheme, own.hostname or "", port),), networks=_ANY_ADDRESS)
    return Repair(
        bucket=bucket,
        ready=store_lessons(settings, database, bucket).ready,
        api=None if config is None else await stack.enter_async_context(api_of(config, database)),
        copier=await stack.enter_async_context(open_copier(download_policy(settings), limits(settings))),
        own_copier=await stack.enter_async_context(open_copier(own_policy, limits(settings))),
        index=FixityIndex(database, notices.outbox(settings)),
        clock=utc_now,
    )


@asynccontextmanager
async def open_reindex(
    settings: Settings,
    by: OsUser,
    *,
    writes: bool,
    on_difference: Callable[[str], None],
    on_progress: Callable[[ReindexTally], None],
) -> AsyncIterator[Reindex]:
    """Open the rebuilding of the index for a command; raises `SchemaOutdatedError`."""
    async with index_beside(settings) as database, open_bucket(bucket_config(settings)) as bucket:
        yield Reindex(
            bucket=bucket,
            rows=RebuiltRows(database, bucket=bucket.name),
            index=FixityIndex(database, notices.outbox(settings)),
            walks=BucketWalks(database),
            tombstones=Tombstones(bucket, root=root_of(settings)),
            clock=utc_now,
            prefix=settings.s3_prefix,
            root=root_of(settings),
            own=f"{root_of(settings)}{OWN_KEYS}",
            by=actor_of(by),
            writes=writes,
            on_difference=on_difference,
            on_progress=on_progress,
        )


def schedules(settings: Settings, database: Database, bucket: Bucket) -> tuple[Schedule, ...]:
    """Return the schedule, none with `AUDIT_EVERY=0s`."""
    every = settings.audit_every
    if not every:
        return ()
    readings = DueReadings(
        audit=make_audit(settings, database, bucket, patience_s=0.0),
        index=FixityIndex(database, notices.outbox(settings)),
        every=every,
        clock=utc_now,
    )
    tick = min(_LONGEST_TICK, every / _TICKS)
    return (Schedule(name="audit", every=tick, first_after=min(_FIRST_AFTER, tick), action=readings.read),)
