"""Is the bucket there, whose clock is right, and which region is it in? What it can do is `bucket_trial`'s."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import ProgrammingError

from receiver.app.check.bucket_abilities import abilities_findings, legal_hold, not_tried
from receiver.app.check.bucket_trial import Trial
from receiver.app.check.findings import Health, clock, ok, skipped, wrong
from receiver.app.check.refusals import NO_CREDENTIALS, bucket_remedy
from receiver.app.configs import bucket_config
from receiver.app.opening import index_beside, utc_now
from receiver.app.store import FOLDER, place_of, root_of
from receiver.catalogue import StoreNotes
from receiver.errors import BucketMissingError, JobError, ReceiverError, StoreDeniedError, StoreUnavailableError
from receiver.objectstore import LOCK_TRIAL, LockingBucket, StoreSight, credentials_source, learn, open_probe, sight_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.objectstore import ProbedBucket
    from receiver.settings import Settings

_SKEW_LIMIT_S = 15 * 60.0


async def bucket_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Look at the bucket, then try there on tiny objects what an archived recording needs, and remove them."""
    try:
        source = await credentials_source()
    except StoreUnavailableError as e:
        yield wrong("bucket credentials", str(e), NO_CREDENTIALS)
        return
    if source is None:
        yield wrong("bucket credentials", "the AWS chain found none", NO_CREDENTIALS)
        return
    method, key_id = source
    yield ok("bucket credentials", f"key id {key_id}, found by the AWS chain as {method}")
    root = root_of(settings)
    async with AsyncExitStack() as stack:
        try:
            bucket = await stack.enter_async_context(open_probe(bucket_config(settings)))
        except JobError as e:
            yield wrong("bucket", e.happened, bucket_remedy(e))
            return
        async for finding in _looked_at(bucket, root):
            yield finding
            if finding.name == "bucket" and finding.state is Health.WRONG:
                yield skipped("bucket rights", "nothing was tried, since the bucket could not be used")
                return
        key = f"{root}{FOLDER}{secrets.token_hex(6)}"
        why = await _tried(bucket, f"{key}-trial", settings)
        trial = Trial(bucket, key)
        try:
            for step in trial.steps:
                yield await step()
        finally:
            removed = await trial.removed()
        yield removed
        if why:
            for finding in not_tried(why):
                yield finding
            return
        async for finding in _learnt(bucket, f"{key}{LOCK_TRIAL}", settings):
            yield finding


async def _learnt(bucket: ProbedBucket, key: str, settings: Settings) -> AsyncGenerator[Finding, None]:
    """Say what was learnt of the bucket; whether it locks is tried for who asked for it alone."""
    async for finding in abilities_findings(bucket, min_proof=settings.s3_min_proof):
        yield finding
    if settings.s3_object_lock is not None:
        locking = bucket.again_as(LockingBucket)
        locking.abilities = bucket.abilities
        yield await legal_hold(locking, key, retaining=settings.s3_object_lock == "retention")


async def _tried(bucket: ProbedBucket, key: str, settings: Settings) -> str:
    """Learn what the bucket can do and keep it in the index, where there is one; say what was in the way, if anything.

    Nothing is learnt from a refused right or a store that fails: the steps that follow name that.
    """
    try:
        learnt = await learn(bucket, key, now=utc_now())
    except JobError as e:
        return e.happened
    bucket.abilities = learnt.abilities
    with suppress(ReceiverError, ProgrammingError):
        async with index_beside(settings) as database:
            await StoreNotes(database, place_of(settings)).save(learnt)
    return ""


async def _looked_at(bucket: ProbedBucket, root: str) -> AsyncGenerator[Finding, None]:
    try:
        sight = await bucket.look(root)
    except JobError as e:
        seen = sight_of(e) or StoreSight(status=0)
        if seen.skew_s is not None:
            yield clock("bucket clock", seen.skew_s, limit_s=_SKEW_LIMIT_S, whose="the store")
        yield wrong("bucket", _refused(e, seen), bucket_remedy(e))
        return
    yield clock("bucket clock", sight.skew_s, limit_s=_SKEW_LIMIT_S, whose="the store")
    yield ok("bucket", f"{bucket.name} answers, and this identity may list it")
    yield _region(bucket, sight)


def _refused(error: JobError, sight: StoreSight) -> str:
    if isinstance(error, StoreDeniedError | BucketMissingError) or sight.code not in {"", str(sight.status)}:
        return error.happened
    return f"no S3 store answered: {error.happened}"


def _region(bucket: ProbedBucket, sight: StoreSight) -> Finding:
    name, ours = "bucket region", bucket.region
    if sight.region is None:
        return ok(name, f"requests are signed for {ours}; the store does not name its own")
    if sight.region == ours:
        return ok(name, f"{ours}, as the store says")
    return wrong(
        name,
        f"the bucket is in {sight.region}, but requests and download URLs are signed for {ours}",
        f"set RECEIVER_S3_REGION={sight.region}",
    )
