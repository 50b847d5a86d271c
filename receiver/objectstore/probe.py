"""What a store is asked before the service relies on it: is this the bucket, and does it verify what it is told?"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from receiver.errors import StoreUnavailableError
from receiver.objectstore.bucket import Bucket
from receiver.objectstore.client import opened_as
from receiver.objectstore.faults import status_and_code, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.objectstore.client import BucketConfig

_NO_LOCK_CODES = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NotImplemented"})
_QUIET_S = 10.0
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSight:
    """What an answer of the store, good or bad, told. `skew_s`: our clock is so far ahead of its own."""

    status: int
    code: str = ""
    region: str | None = None
    skew_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the bucket does with objects that are replaced or deleted; None where this identity may not ask."""

    versioning: str | None
    object_lock: str | None


class ProbedBucket(Bucket):
    """The bucket, with questions that only a check asks. Each names in its errors what the store answered."""

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self._client.meta.region_name

    async def look(self, prefix: str) -> StoreSight:
        """List one key, then ask for the bucket's head, which on AWS names its region."""
        with translated("ListObjectsV2", self.name):
            await self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)
        with translated("HeadBucket", self.name):
            return _sight(await self._client.head_bucket(Bucket=self.name))

    @property
    def write_settings(self) -> str:
        """Name the settings that ask for more than a plain write; "" where none is set."""
        names = {
            "StorageClass": "RECEIVER_S3_STORAGE_CLASS",
            "ServerSideEncryption": "RECEIVER_S3_SSE",
            "SSEKMSKeyId": "RECEIVER_S3_KMS_KEY_ID",
        }
        return ", ".join(name for option, name in names.items() if option in self._write_options)

    async def keeping(self) -> Keeping:
        """Ask how the bucket keeps versions and whether it locks objects."""
        versioning: str | None = None
        lock: str | None = None
        with translated("GetBucketVersioning", self.name):
            try:
                versioning = (await self._client.get_bucket_versioning(Bucket=self.name)).get("Status", "off")
            except ClientError as e:
                _unless_denied(e)
        with translated("GetObjectLockConfiguration", self.name):
            try:
                answer = await self._client.get_object_lock_configuration(Bucket=self.name)
                lock = _lock_of(answer.get("ObjectLockConfiguration", {}))
            except ClientError as e:
                if status_and_code(e)[1] in _NO_LOCK_CODES:
                    lock = "off"
                else:
                    _unless_denied(e)
        return Keeping(versioning=versioning, object_lock=lock)


@asynccontextmanager
async def open_probe(config: BucketConfig) -> AsyncIterator[ProbedBucket]:
    """Open the bucket for a check: nothing is sent twice, and a silent store is soon given up on."""
    quick = replace(config, attempts=1, progress_timeout_s=min(config.progress_timeout_s, _QUIET_S))
    async with opened_as(ProbedBucket, quick) as bucket:
        yield bucket


async def credentials_source() -> tuple[str, str] | None:
    """Return where the AWS chain found credentials, and the end of the key's id; None where it found none."""
    try:
        found = await get_session().get_credentials()
        frozen = await found.get_frozen_credentials() if found is not None else None
    except (BotoCoreError, ClientError) as e:  # the latter of a role that may not be taken on
        raise StoreUnavailableError(f"looking for AWS credentials: {e}") from e
    return None if found is None or frozen is None else (found.method, f"…{(frozen.access_key or '')[-4:]}")


def sight_of(error: BaseException) -> StoreSight | None:
    """Return what the store's answer behind one of this part's errors told; None where there was no answer."""
    cause = error.__cause__
    return _sight(cause.response) if isinstance(cause, ClientError) else None


async def fetched(url: str) -> tuple[int, bytes]:
    """GET a presigned URL as a browser would; return the status and the beginning of the body."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_QUIET_S), trust_env=False) as http,
            http.get(url, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.content.read(_READ_BYTES)
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise StoreUnavailableError(f"GET of a presigned URL: {type(e).__name__}") from e


def _lock_of(told: Any) -> str:
    """Read the configuration; a store that answers and does not say that it is enabled locks nothing."""
    if told.get("ObjectLockEnabled") != "Enabled":
        return "off"
    rule = told.get("Rule", {}).get("DefaultRetention", {})
    kept = f"{rule.get('Days') or rule.get('Years')} {'days' if rule.get('Days') else 'years'}"
    return f"{rule.get('Mode')} for {kept}" if rule else "on, without a default"


def _sight(answer: Any) -> StoreSight:
    told = answer.get("ResponseMetadata", {})
    headers, error = told.get("HTTPHeaders", {}), answer.get("Error", {})
    try:
        date = parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
        skew_s = (datetime.now(UTC) - date).total_seconds()
    except (ValueError, OverflowError):
        skew_s = None
    return StoreSight(
        status=int(told.get("HTTPStatusCode", 0)),
        code=str(error.get("Code", "")),
        region=headers.get("x-amz-bucket-region") or answer.get("BucketRegion") or error.get("Region"),
        skew_s=skew_s,
    )


def _unless_denied(error: ClientError) -> None:
    """Raise again what is no lack of rights, nor of the feature."""
    if status_and_code(error)[0] not in {400, 403, 404, 405, 501}:
        raise error
