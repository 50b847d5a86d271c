"""Is the bucket there, whose clock is right, and which region is it in? What it can do is `bucket_trial`'s."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from receiver.app.check.bucket_trial import Trial
from receiver.app.check.findings import Health, clock, ok, skipped, wrong
from receiver.app.check.refusals import NO_CREDENTIALS, bucket_remedy
from receiver.app.configs import bucket_config
from receiver.errors import BucketMissingError, JobError, StoreDeniedError, StoreUnavailableError
from receiver.objectstore import StoreSight, credentials_source, open_probe, sight_of
from receiver.pipeline import KeyTemplate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.objectstore import ProbedBucket
    from receiver.settings import Settings

FOLDER = ".receiver-check/"
"""Under the root of all keys, so that a policy which covers recordings covers the check."""
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
    root = KeyTemplate(settings.s3_prefix, settings.key_template).root
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
        trial = Trial(bucket, f"{root}{FOLDER}{secrets.token_hex(6)}")
        try:
            for step in trial.steps:
                yield await step()
        finally:
            removed = await trial.removed()
        yield removed


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
