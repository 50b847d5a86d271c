"""One S3 bucket: every operation says in its docstring what repeating it does."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from receiver import logs
from receiver.checksums import checksum_of, for_store, from_store, written
from receiver.errors import StoreChecksumError, StoreUnavailableError
from receiver.objectstore.body import RelayBody
from receiver.objectstore.disposition import attachment
from receiver.objectstore.faults import status_and_code, translated
from receiver.records import HeldPart, ObjectHead, OpenUpload, UploadedPart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from types_aiobotocore_s3 import S3Client

READ_CHUNK_BYTES = 256 * 1024
_log = logs.get("objectstore")


class Bucket:
    """The team's bucket. Errors are `Store…Error` and `BucketMissingError`, with the library's own as their cause.

    `once` sends from threads and never repeats a request; a cancelled one ends there only where it relays a body.
    """

    def __init__(
        self, *, name: str, client: S3Client, once: S3Client, write_options: dict[str, Any], progress_timeout_s: float
    ) -> None:
        self.name = name
        self._client = client
        self._once = once
        self._write_options = write_options
        self._progress_timeout_s = progress_timeout_s

    async def head(self, key: str) -> ObjectHead | None:
        """Return what the store says of the object, or None where there is none (a missing bucket looks the same)."""
        return await self._head(key, None)

    async def _head(self, key: str, version_id: str | None) -> ObjectHead | None:
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with translated("HeadObject", key):
            try:
                answer = await self._client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED", **version)
            except ClientError as e:
                if status_and_code(e)[0] == 404:
                    return None
                raise
        return ObjectHead(
            key=key,
            size_bytes=answer["ContentLength"],
            etag=answer["ETag"],
            checksum=from_store(answer.get("ChecksumCRC64NVME")),
            content_type=answer.get("ContentType"),
            version_id=answer.get("VersionId"),
        )

    async def _written(
        self, key: str, answer: dict[str, Any], size_bytes: int, content_type: str | None = None
    ) -> ObjectHead:
        """Return what the store says of an object it has just written, asking where its answer names no checksum."""
        version_id, checksum = answer.get("VersionId"), from_store(answer.get("ChecksumCRC64NVME"))
        if checksum is None:
            head = await self._head(key, version_id)
            if head is None:
                raise StoreUnavailableError(f"the store confirmed {key}, then did not find it")
            return head
        return ObjectHead(
            key=key,
            size_bytes=size_bytes,
            etag=answer["ETag"],
            checksum=checksum,
            content_type=content_type,
            version_id=version_id,
        )

    async def put(self, key: str, body: bytes | bytearray, *, content_type: str) -> ObjectHead:
        """Store a small object under its CRC64NVME and return what the store says of it.

        Where one lies under the key already it is a `KeyTakenError`, also for the second of two puts. A store whose
        answer names the checksum of what it stored is not asked again.
        """
        answer = await self._put(key, body, content_type, IfNoneMatch="*")
        return await self._written(key, answer, len(body), content_type)

    async def replace(self, key: str, body: bytes, *, content_type: str) -> None:
        """Store a small object in place of any before it; safe to repeat."""
        await self._put(key, body, content_type)

    async def _put(self, key: str, body: bytes | bytearray, content_type: str, **condition: Any) -> dict[str, Any]:
        """Store the bytes; the store refuses them where they are not those of the checksum."""
        with translated("PutObject", key):
            answer: Any = await self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,  # type: ignore[arg-type]  # botocore takes a bytearray for bytes, its stubs do not
                ContentType=content_type,
                ChecksumCRC64NVME=for_store(checksum_of(body)),
                **condition,
                **self._write_options,
            )
        return dict(answer)

    async def begin_upload(self, key: str, *, content_type: str) -> OpenUpload:
        """Open a multipart upload; every call opens another, and each must be completed or aborted.

        The request is not repeated here: after a `StoreUnavailableError` an upload may be open or not.
        """
        with translated("CreateMultipartUpload", key):
            answer = await self._once.create_multipart_upload(
                Bucket=self.name,
                Key=key,
                ContentType=content_type,
                ChecksumAlgorithm="CRC64NVME",
                ChecksumType="FULL_OBJECT",
                **self._write_options,
            )
        return OpenUpload(key=key, upload_id=answer["UploadId"])

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: Iterator[memoryview], *, size_bytes: int
    ) -> UploadedPart:
        """Relay `chunks` as part `number`, in one request that is never repeated here.

        Sending the same part again replaces it. An error raised by `chunks` leaves this method as it is.
        """
        body = RelayBody(chunks, size_bytes, self._progress_timeout_s)
        where = f"{upload.key} part {number}"
        with translated("UploadPart", where):
            try:
                answer: Any = await self._once.upload_part(
                    Bucket=self.name,
                    Key=upload.key,
                    UploadId=upload.upload_id,
                    PartNumber=number,
                    Body=body,  # type: ignore[arg-type]  # botocore's stubs know no relayed bodies
                    ContentLength=size_bytes,
                )
            except Exception:
                if body.error is not None:
                    raise body.error from body.error.__cause__
                raise
        if body.left:
            raise StoreUnavailableError(f"{where}: the store answered before it had the whole part")
        ours, theirs = written(body.crc), from_store(answer.get("ChecksumCRC64NVME"))
        if theirs not in {None, ours}:
            raise StoreChecksumError(f"{where}: what the store received differs from what was sent")
        return UploadedPart(number=number, etag=answer["ETag"], size_bytes=size_bytes, checksum=ours)

    async def list_parts(self, upload: OpenUpload) -> list[HeldPart] | None:
        """Return the parts that the store holds of an open upload, by number; None where the upload is no more."""
        parts: list[HeldPart] = []
        with translated("ListParts", upload.key):
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self.name, Key=upload.key, UploadId=upload.upload_id
            )
            try:
                async for page in pages:
                    parts += [
                        HeldPart(number=part["PartNumber"], etag=part["ETag"], size_bytes=part["Size"])
                        for part in page.get("Parts", [])
                    ]
            except ClientError as e:
                if status_and_code(e)[1] != "NoSuchUpload":
                    raise
                return None
        return parts

    async def complete_upload(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        """Make the parts one object whose CRC64NVME is `checksum`; a taken key is a `KeyTakenError`.

        Where the answer was lost or says that the upload is gone, what lies under the key decides: the very same
        size and checksum are this upload's success. A store whose answer names the whole object's checksum is not
        asked again; of the type it says nothing.
        """
        size_bytes = sum(part.size_bytes for part in parts)
        try:
            with translated("CompleteMultipartUpload", upload.key):
                answer = await self._complete(upload, parts, checksum, size_bytes)
        except StoreUnavailableError as e:
            head = await self.head(upload.key)
            if head is None or (head.size_bytes, head.checksum) != (size_bytes, checksum):
                raise
            _log.info("complete_answer_replaced_by_head", key=upload.key, reason=str(e))
            return head
        return await self._written(upload.key, answer, size_bytes)

    async def _complete(
        self, upload: OpenUpload, parts: Sequence[UploadedPart], checksum: str, size_bytes: int
    ) -> dict[str, Any]:
        table = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC64NVME": for_store(part.checksum)}
            for part in sorted(parts, key=lambda part: part.number)
        ]
        answer: Any = await self._client.complete_multipart_upload(
            Bucket=self.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": table},  # type: ignore[typeddict-item]
            ChecksumCRC64NVME=for_store(checksum),
            ChecksumType="FULL_OBJECT",
            MpuObjectSize=size_bytes,
            IfNoneMatch="*",
        )
        return dict(answer)

    async def abort_upload(self, upload: OpenUpload) -> None:
        """End an open upload and free its parts; one that is gone already is success."""
        with translated("AbortMultipartUpload", upload.key):
            try:
                await self._client.abort_multipart_upload(Bucket=self.name, Key=upload.key, UploadId=upload.upload_id)
            except ClientError as e:
                if status_and_code(e)[1] != "NoSuchUpload":
                    raise

    async def open_uploads(self, prefix: str) -> list[OpenUpload]:
        """Return every multipart upload under `prefix` that is neither completed nor aborted."""
        with translated("ListMultipartUploads", prefix):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            return [
                OpenUpload(key=upload["Key"], upload_id=upload["UploadId"], begun_at=upload.get("Initiated"))
                async for page in pages
                for upload in page.get("Uploads", [])
            ]

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Yield the key of every object under `prefix`, in the store's order."""
        with translated("ListObjectsV2", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            async for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"]

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield the whole object in chunks; fewer bytes than its length are an error, not an end."""
        with translated("GetObject", key):
            answer = await self._client.get_object(Bucket=self.name, Key=key)
            async with answer["Body"] as body:
                got = 0
                async with aclosing(body.iter_chunks(READ_CHUNK_BYTES)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        got += len(chunk)
                        yield chunk
        if got != answer["ContentLength"]:
            raise StoreUnavailableError(f"GetObject {key}: {got} of {answer['ContentLength']} bytes came")

    async def discard(self, head: ObjectHead) -> None:
        """Remove the one version that a write returned; safe to repeat."""
        version: dict[str, Any] = {"VersionId": head.version_id} if head.version_id else {}
        with translated("DeleteObject", head.key):
            await self._client.delete_object(Bucket=self.name, Key=head.key, **version)

    async def delete(self, key: str) -> None:
        """Remove the object and, in a versioned bucket, every version of it; an absent key is success."""
        with translated("DeleteObject", key):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key)
            versions = [
                entry["VersionId"]
                async for page in pages
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                if entry["Key"] == key
            ]
            for version_id in versions:
                await self._client.delete_object(Bucket=self.name, Key=key, VersionId=version_id)

    async def presign_download(
        self,
        key: str,
        *,
        expires_s: int,
        filename: str | None,
        content_type: str | None,
        version_id: str | None = None,
    ) -> str:
        """Return a URL that downloads the object as a file named `filename`; no request is made."""
        params = {
            "Bucket": self.name,
            "Key": key,
            "ResponseContentDisposition": attachment(filename),
            "ResponseContentType": content_type,
            "VersionId": version_id,
        }
        with translated("presign", key):
            url: str = await self._client.generate_presigned_url(
                "get_object", Params={k: v for k, v in params.items() if v}, ExpiresIn=expires_s
            )
        return url

    async def ensure_bucket(self) -> None:
        """Create the bucket unless it exists; for the demo and tests, whose store starts empty."""
        with translated("CreateBucket", self.name):
            try:
                await self._client.create_bucket(Bucket=self.name)
            except ClientError as e:
                if status_and_code(e)[1] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise
