"""The requests of a trial: each is taken, refused, or says nothing since the store is away."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from receiver import logs
from receiver.checksums import digest_of
from receiver.errors import KeyTakenError, StoreDeniedError, StoreError, StoreUnavailableError
from receiver.objectstore import words
from receiver.objectstore.body import RelayBody
from receiver.objectstore.bucket import Bucket
from receiver.objectstore.faults import status_and_code, translated
from receiver.records import OpenUpload, Rung

if TYPE_CHECKING:
    from collections.abc import Awaitable

BODY = b"a trial of what this store can do: may be deleted.\n"
OTHER = b"A trial of what this store can do: may be deleted.\n"
TYPE = "text/plain"
_PASSING_STATUSES = frozenset({0, 408, 425, 429, 502, 503, 504})
_log = logs.get("objectstore")


class LyingBody(RelayBody):
    """Brings the digest of other bytes behind its own."""

    def _trailer(self) -> bytes:
        algorithm = str(self.trailer_name).removeprefix("x-amz-checksum-")
        return f"0\r\n{self.trailer_name}:{digest_of(algorithm, OTHER)}\r\n\r\n".encode()


@dataclass(slots=True)
class TrialSight:
    """Uploads that are open and keys that may hold an object; `is_sure` until a step met what may be a bad moment."""

    uploads: dict[str, OpenUpload] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    is_sure: bool = True


class TrialRequests(Bucket):
    """A view of the bucket for one trial under the key `_small`; what it leaves open or stored is in `_seen`."""

    _small: str
    _seen: TrialSight

    async def _begun(self, key: str, rung: Rung) -> OpenUpload | None:
        begun = await self._taken(
            self._once.create_multipart_upload(
                Bucket=self.name, Key=key, ContentType=TYPE, **words.begin_options(rung), **self._write_options
            )
        )
        if begun is None:
            return None
        upload = OpenUpload(key=key, upload_id=begun["UploadId"], rung=rung)
        self._seen.uploads[upload.upload_id] = upload
        return upload

    async def _ended(self, upload: OpenUpload) -> bool:
        """Abort an upload, and tell whether the store can; one that is no more is success."""
        del self._seen.uploads[upload.upload_id]
        try:
            await self.abort_upload(upload)
        except StoreError as e:
            _log.warning("trial_upload_not_aborted", key=upload.key, reason=e.happened)
            with suppress(StoreError, ClientError):  # an upload that is completed is ended too
                part = await self._part(upload)
                await self._complete_raw(upload, [{"PartNumber": 1, "ETag": part.get("ETag")}])
            return isinstance(e, StoreDeniedError)  # the store can, this identity may not
        return True

    async def _put_small(self, options: dict[str, Any]) -> Any:
        where: Any = {"Bucket": self.name, "Key": self._small, "ContentType": TYPE}
        return await self._once.put_object(Body=BODY, **where, **options, **self._write_options)

    async def _part(self, upload: OpenUpload, *, number: int = 1, **options: Any) -> Any:
        where: Any = {"Bucket": self.name, "Key": upload.key, "UploadId": upload.upload_id, "PartNumber": number}
        return await self._once.upload_part(Body=BODY, **where, **options)

    async def _relayed(self, upload: OpenUpload, kind: type[RelayBody]) -> Any:
        algorithm = words.part_algorithm(upload.rung)
        chunks = iter([memoryview(BODY)])
        body: Any = kind(chunks, len(BODY), self._progress_timeout_s, algorithm=algorithm, has_trailer=True)
        where: Any = {"Bucket": self.name, "Key": upload.key, "UploadId": upload.upload_id, "PartNumber": 1}
        return await self._once.upload_part(Body=body, ContentLength=body.sent_bytes, **where)

    async def _complete_raw(self, upload: OpenUpload, entries: list[Any], **options: Any) -> Any:
        self._seen.keys.add(upload.key)
        return await self._once.complete_multipart_upload(
            Bucket=self.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": entries},
            **options,
        )

    async def _refuses_as_taken(self, request: Awaitable[Any]) -> bool:
        try:
            with translated("conditional write", self._small, counts=False):
                await request
        except KeyTakenError:
            return True
        except StoreError as e:
            await self._unless_refused(e)
        return False

    async def _listed(self, request: Awaitable[Any]) -> dict[str, Any] | None:
        """Return a listing, {} where this identity may not have it, None where the store has none."""
        try:
            with translated("listing", self._small, counts=False):
                return dict(await request)
        except StoreDeniedError:
            return {}
        except StoreError as e:
            await self._unless_refused(e)
            return None

    async def _taken(self, request: Awaitable[Any]) -> Any:
        """Return the answer, None where the store refuses the request."""
        try:
            with translated("trial", self._small, counts=False):
                return await request
        except (KeyTakenError, StoreError) as e:
            await self._unless_refused(e)
            return None

    async def _unless_refused(self, error: KeyTakenError | StoreError) -> None:
        """Raise the error again where the store may be away, or has said nothing about what it can do.

        A 500, or a connection that it ends, may be its way to refuse: if it answers a plain question meanwhile, that
        is taken for one, but not for good.
        """
        cause = error.__cause__
        status, code = status_and_code(cause) if isinstance(cause, ClientError) else (0, "")
        if status in {401, 403} and code != "SignatureDoesNotMatch":
            raise error
        if status == 500 or (status == 0 and isinstance(error, StoreUnavailableError)):
            await self._head(self._small, None)
            self._seen.is_sure = False
        elif status in _PASSING_STATUSES and isinstance(error, StoreUnavailableError):
            raise error

    async def _removed(self) -> None:
        """End this trial's uploads and delete its objects; what has to stay is logged."""
        for upload in list(self._seen.uploads.values()):
            await self._ended(upload)
        for key in self._seen.keys:
            try:
                await self.delete(key)
            except StoreError as e:
                _log.warning("trial_object_left", key=key, reason=str(e))
