"""Object Lock: a legal hold or a retention of one version of an object, in a bucket that was seen to mean it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from receiver import logs
from receiver.errors import StoreDeniedError, StoreError, StoreRefusedError
from receiver.objectstore.bucket import Bucket
from receiver.objectstore.faults import status_and_code, translated
from receiver.objectstore.trial_requests import BODY, TYPE
from receiver.records import FileVersion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from receiver.records import ObjectHead

LOCK_TRIAL = "-lock"
"""How the keys of trials end, which are none of those that `clear_trials` could remove."""
_NONE_THERE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchObjectLockConfiguration"})
_REFUSED = (StoreRefusedError, StoreDeniedError)
_TRIAL_LASTS = timedelta(minutes=1)
_REFUSALS = frozenset({400, 403, 405, 409, 412, 501})
_log = logs.get("objectstore")


@contextmanager
def _of_one(operation: str, key: str) -> Iterator[None]:
    """Raise as `translated`; an object that is gone, or has no such lock, is no store that is away."""
    with translated(operation, key):
        try:
            yield
        except ClientError as e:
            if status_and_code(e)[1] in _NONE_THERE:
                raise StoreRefusedError(f"{operation} {key}: {status_and_code(e)[1]}") from e
            raise


class LockingBucket(Bucket):
    """The bucket, as far as it locks objects. Nothing is asked of an object before `try_locking` said that it may be.

    A version is always named: some stores put a lock without one on a delete marker. No object is ever copied here:
    some stores drop the lock then.
    """

    async def try_locking(self, key: str, *, retaining: bool = False) -> str | None:
        """Lock an object of our own under `key`, which nobody else may use, and return why this store does not mean it.

        None where its bytes stay as they were and its deletion is refused. There are stores that answer the request
        with 200 and replace the object's bytes with it, so a bucket that does not say that it locks is not asked.
        `retaining`: it is retained for a minute as well, and a deletion that bypasses that must be done.
        The object is removed again; raises `StoreError` where the store is away or keeps it.
        """
        if not await self._says_that_it_locks():
            return "the bucket does not say that Object Lock is on"
        head = await self.put(key, BODY, content_type=TYPE)
        try:
            why = await self._tried(head, lambda version_id: self.set_hold(head.key, version_id, on=True))
            return await self._tried_retaining(head) if why is None and retaining else why
        finally:
            await self._remove(head.key, retained=retaining)

    async def clear_locked(self, folder: str, *, before: datetime) -> None:
        """Remove what trials that were killed left under `folder`, where they began before then. Safe to repeat."""
        with translated("ListObjectsV2", folder):
            listed = await self._client.list_objects_v2(Bucket=self.name, Prefix=folder)
        for one in listed.get("Contents", []):
            if one["Key"].endswith(LOCK_TRIAL) and one["LastModified"] < before:
                await self._remove(one["Key"])

    async def set_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Set or lift the legal hold of a version, and see that the store says so; safe to repeat.

        Raises `StoreError`; `StoreRefusedError` also where it says otherwise afterwards.
        """
        where: Any = {"Bucket": self.name, "Key": key, "VersionId": version_id}
        status: Literal["ON", "OFF"] = "ON" if on else "OFF"
        with _of_one("PutObjectLegalHold", key):
            await self._client.put_object_legal_hold(LegalHold={"Status": status}, **where)
        with _of_one("GetObjectLegalHold", key):
            told = await self._client.get_object_legal_hold(**where)
        if told.get("LegalHold", {}).get("Status") != status:
            raise StoreRefusedError(f"PutObjectLegalHold {key}: the store confirmed it, and does not say {status}")

    async def set_retention(self, key: str, version_id: str, *, until: datetime) -> datetime:
        """Retain a version until then, a whole second, in the mode GOVERNANCE; return until when the store says it is.

        That may be later: what is retained longer already stays so. Safe to repeat. Raises `StoreError`;
        `StoreRefusedError` also where the store says afterwards that it keeps it no such time.
        """
        refusal: StoreError = StoreRefusedError(
            f"PutObjectRetention {key}: the store confirmed it, and does not say {until:%Y-%m-%d %H:%M:%S}"
        )
        where: Any = {"Bucket": self.name, "Key": key, "VersionId": version_id}
        try:
            with _of_one("PutObjectRetention", key):
                await self._client.put_object_retention(
                    Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}, **where
                )
        except _REFUSED as e:  # as what would shorten one is
            refusal = e
        try:
            with _of_one("GetObjectRetention", key):
                told = (await self._client.get_object_retention(**where)).get("Retention", {}).get("RetainUntilDate")
        except _REFUSED as e:
            raise refusal from e
        if told is None or told < until:
            raise refusal
        return told.astimezone(UTC)

    async def _says_that_it_locks(self) -> bool:
        with translated("GetObjectLockConfiguration", self.name):
            try:
                answer = await self._client.get_object_lock_configuration(Bucket=self.name)
            except ClientError as e:
                if status_and_code(e)[0] not in {*_REFUSALS, 404}:
                    raise
                return False
        return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"

    async def _tried(self, head: ObjectHead, lock: Callable[[str], Awaitable[object]]) -> str | None:
        if head.version_id is None:
            return "it names no version of what it stores"
        try:
            await lock(head.version_id)
        except StoreError as e:
            return e.happened
        if not await self._is_unchanged(head):
            return "the request to lock changed the object's bytes"
        if await self._deleted(head):
            return "it deleted an object that it had locked"
        return None if await self._is_unchanged(head) else "a locked object was not there any more after a deletion"

    async def _tried_retaining(self, head: ObjectHead) -> str | None:
        version_id = str(head.version_id)
        await self.set_hold(head.key, version_id, on=False)
        until = datetime.now(UTC).replace(microsecond=0) + _TRIAL_LASTS
        if why := await self._tried(head, lambda version_id: self.set_retention(head.key, version_id, until=until)):
            return why
        try:
            await self.delete_version(FileVersion(head.key, version_id), bypass=True)
        except _REFUSED as e:
            return f"it refuses the bypass that an erasure needs: {e.happened}"
        if await self.head(head.key, version_id=version_id) is not None:
            return "it confirmed the bypass that an erasure needs, and keeps the object"
        return None

    async def _is_unchanged(self, head: ObjectHead) -> bool:
        """Tell whether the version has the bytes that were sent; one that is gone has not."""
        body = bytearray()
        try:
            async for chunk in self.read(head.key, version_id=head.version_id):
                body += chunk
        except StoreError as e:
            if isinstance(e.__cause__, ClientError) and status_and_code(e.__cause__)[0] == 404:
                return False
            raise
        return bytes(body) == BODY

    async def _deleted(self, head: ObjectHead) -> bool:
        """Ask for the deletion of the locked version, and tell whether the store did it."""
        with translated("DeleteObject", head.key):
            try:
                await self._client.delete_object(Bucket=self.name, Key=head.key, VersionId=str(head.version_id))
            except ClientError as e:
                if status_and_code(e)[0] not in _REFUSALS:
                    raise
                return False
        return True

    async def _remove(self, key: str, *, retained: bool = False) -> None:
        for version_id, size_bytes in await self.versions(key):
            if size_bytes is not None and version_id != "null":
                try:
                    await self.set_hold(key, version_id, on=False)
                except StoreError as e:
                    _log.warning("trial_lock_not_lifted", key=key, error=str(e))
            if retained:
                with suppress(*_REFUSED):
                    await self.delete_version(FileVersion(key, version_id), bypass=True)
        try:
            await self.delete(key)
        except _REFUSED as e:
            if not retained:
                raise
            _log.warning("trial_object_left", key=key, error=str(e))  # for a minute; `clear_locked` finds it then
