"""One S3 bucket: its objects, and the multipart uploads that become some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from receiver import logs
from receiver.checksums import etag_of, from_store, written
from receiver.errors import StoreChecksumError, StoreRefusedError, StoreUnavailableError
from receiver.objectstore import words
from receiver.objectstore.body import RelayBody
from receiver.objectstore.faults import status_and_code, translated
from receiver.objectstore.objects import Objects, SentObject
from receiver.records import FileVersion, HeldPart, OpenUpload, Rung, UploadedPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from receiver.records import ObjectHead

GONE_CODES = frozenset({"NoSuchUpload", "NoSuchKey"})  # the latter is Ceph's and Swift's word for the former
_log = logs.get("objectstore")


class Bucket(Objects):
    """The team's bucket, with what a copy of a large file needs."""

    async def begin_upload(self, key: str, *, content_type: str) -> OpenUpload:
        """Open a multipart upload; every call opens another, and each must be completed or aborted.

        The request is not repeated here: after a `StoreUnavailableError` an upload may be open or not.
        """
        rung = self.abilities.upload_proof
        with translated("CreateMultipartUpload", key):
            answer: Any = await self._once.create_multipart_upload(
                Bucket=self.name,
                Key=key,
                ContentType=content_type,
                **words.begin_options(rung),
                **self._write_options,
            )
        return OpenUpload(key=key, upload_id=answer["UploadId"], rung=rung)

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: Iterator[memoryview], *, size_bytes: int
    ) -> UploadedPart:
        """Relay `chunks` as part `number`, in one request that is never repeated here.

        Sending the same part again replaces it. An error raised by `chunks` leaves this method as it is.
        """
        body = RelayBody(
            chunks,
            size_bytes,
            self._progress_timeout_s,
            algorithm=words.part_algorithm(upload.rung),
            has_trailer=self.abilities.part_trailers and upload.rung not in words.WITHOUT_FIELD,
        )
        where = f"{upload.key} part {number}"
        with translated("UploadPart", where):
            try:
                answer: Any = await self._once.upload_part(
                    Bucket=self.name,
                    Key=upload.key,
                    UploadId=upload.upload_id,
                    PartNumber=number,
                    Body=body,  # type: ignore[arg-type]  # botocore's stubs know no relayed bodies
                    ContentLength=body.sent_bytes,
                )
            except Exception:
                if body.error is not None:
                    raise body.error from body.error.__cause__
                raise
        if body.left:
            raise StoreUnavailableError(f"{where}: the store answered before it had the whole part")
        part = UploadedPart(
            number=number,
            etag=answer.get("ETag") or "",
            size_bytes=size_bytes,
            checksum=written(body.crc),
            digest=body.digest,
        )
        _check_part(upload, part, answer)
        return part

    async def list_parts(self, upload: OpenUpload) -> list[HeldPart] | None:
        """Return the parts that the store holds of an open upload, by number; None where the upload is no more.

        Also None where the store lists none: then nothing says which of them it has.
        """
        if not self.abilities.lists_parts:
            return None
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
                if status_and_code(e)[1] not in GONE_CODES:
                    raise
                return None
        return parts

    async def complete_upload(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        """Make the parts one object whose CRC64NVME is `checksum`; a taken key is a `KeyTakenError`.

        Where the answer was lost or says that the upload is gone, what lies under the key decides: the very same
        size and checksum, told by a store whose word counts, are this upload's success. A store whose answer tells the
        whole object's is not asked again; of the type it says nothing.
        """
        parts = sorted(parts, key=lambda part: part.number)
        sent = SentObject(
            key=upload.key,
            size_bytes=sum(part.size_bytes for part in parts),
            rung=upload.rung,
            value=words.total(upload.rung, parts, checksum),
        )
        is_guarded = self.abilities.conditional_complete
        if not is_guarded:
            await self._keep_free(upload.key)
        try:
            with translated("CompleteMultipartUpload", upload.key):
                answer = await self._complete(upload, parts, sent, is_guarded=is_guarded)
        except StoreUnavailableError as e:
            head = await self._head_proven(sent)
            if head is None:
                raise
            _log.info("complete_answer_replaced_by_head", key=upload.key, reason=str(e))
            return head
        return await self._written(sent, answer, is_guarded=is_guarded)

    async def _complete(
        self, upload: OpenUpload, parts: Sequence[UploadedPart], sent: SentObject, *, is_guarded: bool
    ) -> dict[str, Any]:
        table: list[Any] = [words.part_entry(upload.rung, part) for part in parts]
        options = words.complete_options(upload.rung, sent.value) | ({"IfNoneMatch": "*"} if is_guarded else {})
        answer: Any = await self._client.complete_multipart_upload(
            Bucket=self.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": table},
            MpuObjectSize=sent.size_bytes,
            **options,
        )
        return dict(answer)

    async def abort_upload(self, upload: OpenUpload) -> None:
        """End an open upload and free its parts; one that is gone already is success.

        A store that has no such operation forgets an upload only by its completion: where the key is free, it gets
        that, of one byte, and the object is deleted. Where the key is taken, that is a `StoreRefusedError`.
        """
        try:
            with translated("AbortMultipartUpload", upload.key):
                if self.abilities.aborts:
                    await self._client.abort_multipart_upload(
                        Bucket=self.name, Key=upload.key, UploadId=upload.upload_id
                    )
                else:
                    await self._end_by_completing(upload)
        except StoreUnavailableError as e:
            cause = e.__cause__
            if not isinstance(cause, ClientError) or status_and_code(cause)[1] not in GONE_CODES:
                raise

    async def _end_by_completing(self, upload: OpenUpload) -> None:
        if await self._head(upload.key, None) is not None:
            raise StoreRefusedError(
                f"AbortMultipartUpload {upload.key}: the store lacks it, and an object lies where the upload could be "
                "completed in its place"
            )
        where: Any = {"Bucket": self.name, "Key": upload.key, "UploadId": upload.upload_id}
        part = await self._once.upload_part(PartNumber=1, Body=b"-", **where)
        table: Any = {"Parts": [{"PartNumber": 1, "ETag": part.get("ETag")}]}
        await self._once.complete_multipart_upload(MultipartUpload=table, **where)
        await self._client.delete_object(Bucket=self.name, Key=upload.key)

    async def open_uploads(self, prefix: str) -> list[OpenUpload]:
        """Return every multipart upload under `prefix` that is neither completed nor aborted; none that is not listed.

        A store may heed no prefix.
        """
        if not self.abilities.lists_uploads:
            return []
        with translated("ListMultipartUploads", prefix):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            return [
                OpenUpload(key=upload["Key"], upload_id=upload["UploadId"], begun_at=upload.get("Initiated"))
                async for page in pages
                for upload in page.get("Uploads", [])
                if upload["Key"].startswith(prefix)
            ]

    async def files_under(self, prefix: str) -> list[FileVersion]:
        """Return every version, delete markers too, of the objects under `prefix`.

        A store that lists no versions tells its objects. A bucket that keeps none has one version of each, `null`.
        """
        if not self.abilities.lists_versions:
            return [FileVersion(key, None) async for key in self.keys(prefix)]
        with translated("ListObjectVersions", prefix):
            pages: Any = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix)
            return [
                FileVersion(entry["Key"], entry["VersionId"])
                async for page in pages
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]

    async def delete_version(self, file: FileVersion, *, bypass: bool = False) -> None:
        """Remove one version, or the object of a bucket that keeps none; one that is gone already is success.

        `bypass` asks for it although its retention, of the mode GOVERNANCE, is not over. A store answers that it did so
        for what it keeps too: ask for it afterwards.
        """
        version: Any = {} if file.version_id is None else {"VersionId": file.version_id}
        if bypass:
            version["BypassGovernanceRetention"] = True
        with translated("DeleteObject", file.key):
            try:
                await self._client.delete_object(Bucket=self.name, Key=file.key, **version)
            except ClientError as e:
                if status_and_code(e)[0] != 404:
                    raise


def _check_part(upload: OpenUpload, part: UploadedPart, answer: dict[str, Any]) -> None:
    """Refuse a part of which the store tells another value than the bytes have that went out."""
    rung = upload.rung
    theirs = from_store(answer.get("ChecksumCRC64NVME")) if rung is Rung.CRC64NVME else words.told(rung, answer)
    ours = part.checksum if rung is Rung.CRC64NVME else part.digest
    if rung is Rung.MD5:
        ours = etag_of(part.digest or "")
    if theirs not in {None, ours}:
        raise StoreChecksumError(f"{upload.key} part {part.number}: what the store received differs from what was sent")
