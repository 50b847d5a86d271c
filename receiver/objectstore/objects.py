"""The objects of one S3 bucket: every operation says in its docstring what repeating it does."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from receiver.checksums import for_store, from_store
from receiver.errors import KeyTakenError, ObjectConflictError, StoreRefusedError, StoreUnavailableError
from receiver.objectstore import words
from receiver.objectstore.disposition import attachment
from receiver.objectstore.faults import status_and_code, translated
from receiver.records import CopyProof, ObjectHead, Rung, StoreAbilities

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from types_aiobotocore_s3 import S3Client

    from receiver.objectstore.relay import ReceivedBody

READ_CHUNK_BYTES = 256 * 1024
DIGESTED_BYTES = 4 * 1024 * 1024
"""Received at one go in a thread: some ten milliseconds."""
B = TypeVar("B", bound="Objects")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentObject:
    """An object as it was sent, with its value on the rung that is to prove it. An upload's type is not told again."""

    key: str
    size_bytes: int
    rung: Rung
    value: str
    content_type: str | None = None


class Objects:
    """The team's bucket. Errors are `Store…Error` and `BucketMissingError`, with the library's own as their cause.

    `once` sends from threads and never repeats a request; a cancelled one ends there only where it relays a body.
    `abilities` are what AWS documents until they are set to what was learnt.
    """

    def __init__(
        self, *, name: str, client: S3Client, once: S3Client, write_options: dict[str, Any], progress_timeout_s: float
    ) -> None:
        self.name = name
        self.abilities = StoreAbilities()
        self.server: str | None = None
        """What the store called itself in its last answer."""
        self._client = client
        self._once = once
        self._write_options = write_options
        self._progress_timeout_s = progress_timeout_s
        for one in (client, once):
            one.meta.events.register("after-call.s3", self._note_server, unique_id="receiver-note-server")

    def again_as(self, kind: type[B]) -> B:
        """Return another view of the same bucket, over the same connections, with abilities of its own."""
        return kind(
            name=self.name,
            client=self._client,
            once=self._once,
            write_options=self._write_options,
            progress_timeout_s=self._progress_timeout_s,
        )

    async def asked_for_server(self) -> str | None:
        """Ask for the bucket's head, which not everybody may nor every store has, and return what it calls itself."""
        with translated("HeadBucket", self.name):
            try:
                answer: Any = await self._client.head_bucket(Bucket=self.name)
            except ClientError as e:
                if status_and_code(e)[0] not in {400, 403, 405, 501}:
                    raise
                answer = e.response
        return server_of(answer)

    def _note_server(self, parsed: dict[str, Any], **_: Any) -> None:
        self.server = server_of(parsed)

    async def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Return what the store says of the object, or None where there is none (a missing bucket looks the same)."""
        answer = await self._head(key, version_id)
        return self._head_of(key, answer) if answer is not None else None

    async def _head(self, key: str, version_id: str | None) -> dict[str, Any] | None:
        asked: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        if self.abilities.head_checksums:
            asked["ChecksumMode"] = "ENABLED"
        with translated("HeadObject", key):
            try:
                answer: Any = await self._client.head_object(Bucket=self.name, Key=key, **asked)
            except ClientError as e:
                if status_and_code(e)[0] == 404:
                    return None
                raise
        return dict(answer)

    def _head_of(self, key: str, answer: dict[str, Any]) -> ObjectHead:
        """Read a HEAD. A store that takes wrong checksums may repeat one that it was only told: that is no word."""
        checksum = from_store(answer.get("ChecksumCRC64NVME")) if self.abilities.tells_crc64nvme else None
        return ObjectHead(
            key=key,
            size_bytes=answer["ContentLength"],
            etag=answer.get("ETag") or "",
            checksum=checksum,
            content_type=answer.get("ContentType"),
            version_id=version_of(answer),
            proof=CopyProof(rung=Rung.CRC64NVME, value=for_store(checksum)) if checksum is not None else None,
        )

    async def _written(self, sent: SentObject, answer: dict[str, Any], *, is_guarded: bool) -> ObjectHead:
        """Return what the store says of an object it has just written, asking where its answer says too little.

        Where nothing but our look before kept another from writing there (`is_guarded` is false), it is asked in any
        case; what lies there then and is not this is left alone.
        """
        version_id = version_of(answer)
        if is_guarded and words.told(sent.rung, answer) is not None:
            head = ObjectHead(
                key=sent.key,
                size_bytes=sent.size_bytes,
                etag=answer.get("ETag") or "",
                checksum=from_store(answer.get("ChecksumCRC64NVME")) if self.abilities.tells_crc64nvme else None,
                content_type=sent.content_type,
                version_id=version_id,
            )
            return words.judged(head, sent.rung, sent.value, answer)
        seen = await self._head(sent.key, version_id)
        if seen is None:
            raise StoreUnavailableError(f"the store confirmed {sent.key}, then did not find it")
        head = self._head_of(sent.key, seen)
        head = replace(head, version_id=version_id or head.version_id)
        if is_guarded:
            told = seen | {field: answer[field] for field in words.FIELDS.values() if answer.get(field)}
            return words.judged(head, sent.rung, sent.value, told)
        if head.size_bytes != sent.size_bytes:
            raise ObjectConflictError(f"other bytes came to lie under {sent.key} while this file was stored there")
        if words.told(sent.rung, seen) is None:
            return replace(head, proof=None)  # whose bytes these are only they themselves can tell
        return words.judged(head, sent.rung, sent.value, seen)

    async def _head_proven(self, sent: SentObject) -> ObjectHead | None:
        """Return what lies under the key where the store tells of it the very value that was sent."""
        seen = await self._head(sent.key, None)
        if seen is None or seen["ContentLength"] != sent.size_bytes or words.told(sent.rung, seen) is None:
            return None
        head = words.judged(self._head_of(sent.key, seen), sent.rung, sent.value, seen)
        return None if head.proof is None else head

    async def _keep_free(self, key: str) -> None:
        """Before a write that the store would let replace an object: raise `KeyTakenError` where one lies there."""
        if await self._head(key, None) is not None:
            raise KeyTakenError(f"an object lies under {key}")

    async def put(self, key: str, body: bytes | bytearray, *, content_type: str) -> ObjectHead:
        """Store a small object and return what the store says of it.

        Where one lies under the key already it is a `KeyTakenError`, also for the second of two puts. A store whose
        answer names the checksum of what it stored is not asked again.
        """
        is_guarded = self.abilities.conditional_put
        if not is_guarded:
            await self._keep_free(key)
        return await self._put(key, body, content_type, **({"IfNoneMatch": "*"} if is_guarded else {}))

    async def replace(self, key: str, body: bytes, *, content_type: str) -> ObjectHead:
        """Store a small object in place of any before it; safe to repeat."""
        return await self._put(key, body, content_type)

    async def _put(self, key: str, body: bytes | bytearray, content_type: str, **condition: Any) -> ObjectHead:
        """Store the bytes; where the store has a rung for it, it refuses other bytes than those of the checksum."""
        rung = self.abilities.put_proof
        value = words.put_value(rung, body)
        with translated("PutObject", key):
            answer: Any = await self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,  # type: ignore[arg-type]  # botocore takes a bytearray for bytes, its stubs do not
                ContentType=content_type,
                **words.put_options(rung, value),
                **condition,
                **self._write_options,
            )
        sent = SentObject(key=key, size_bytes=len(body), rung=rung, value=value, content_type=content_type)
        return await self._written(sent, dict(answer), is_guarded=self.abilities.conditional_put)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Yield the key of every object under `prefix`, in the store's order."""
        with translated("ListObjectsV2", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            async for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"]

    async def read(self, key: str, *, version_id: str | None = None) -> AsyncIterator[bytes]:
        """Yield the whole object in chunks; fewer bytes than its length are an error, not an end."""
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with translated("GetObject", key):
            answer = await self._client.get_object(Bucket=self.name, Key=key, **version)
            async with answer["Body"] as body:
                got = 0
                async with aclosing(body.iter_chunks(READ_CHUNK_BYTES)) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        got += len(chunk)
                        yield chunk
        if got != answer["ContentLength"]:
            raise StoreUnavailableError(f"GetObject {key}: {got} of {answer['ContentLength']} bytes came")

    async def digest(
        self, key: str, *, version_id: str | None, note: Callable[[int], Awaitable[None]]
    ) -> tuple[int, str]:
        """Receive the whole object in one GET, which is not repeated; return its length and its SHA-256.

        `note` hears, every few megabytes, how many bytes have come. Fewer than the store announced are an error.
        """
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        sha256, received = hashlib.sha256(), 0
        with translated("GetObject", key):
            answer: Any = await self._once.get_object(Bucket=self.name, Key=key, **version)
            body: ReceivedBody = answer["Body"].raw_stream
            try:
                while count := await body.feed(sha256, DIGESTED_BYTES):
                    received += count
                    await note(received)
            finally:
                body.close()
        if received != answer["ContentLength"]:
            raise StoreUnavailableError(f"GetObject {key}: {received} of {answer['ContentLength']} bytes came")
        return received, sha256.hexdigest()

    async def discard(self, head: ObjectHead) -> None:
        """Remove the one version that a write returned; safe to repeat."""
        version: dict[str, Any] = {"VersionId": head.version_id} if head.version_id else {}
        with translated("DeleteObject", head.key):
            await self._client.delete_object(Bucket=self.name, Key=head.key, **version)

    async def delete(self, key: str) -> None:
        """Remove the object and, in a versioned bucket, every version of it; an absent key is success.

        A store that lists no versions is asked for the object afterwards: still there, it is a `StoreRefusedError`.
        """
        if not self.abilities.lists_versions:
            await self._delete_plainly(key)
            return
        with translated("DeleteObject", key):
            for version_id, _ in await self.versions(key):
                await self._client.delete_object(Bucket=self.name, Key=key, VersionId=version_id)

    async def versions(self, key: str) -> list[tuple[str, int | None]]:
        """Return the versions under a key with their sizes, None of a delete marker; none where the store lists none.

        In a bucket that keeps no versions the one there is has the id `null`.
        """
        if not self.abilities.lists_versions:
            return []
        with translated("ListObjectVersions", key):
            pages: Any = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key)
            return [
                (entry["VersionId"], entry.get("Size"))
                async for page in pages
                for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                if entry["Key"] == key
            ]

    async def _delete_plainly(self, key: str) -> None:
        with translated("DeleteObject", key):
            try:
                await self._client.delete_object(Bucket=self.name, Key=key)
                answer = await self._client.get_object(Bucket=self.name, Key=key)
            except ClientError as e:
                if status_and_code(e)[0] != 404:
                    raise
                return
            answer["Body"].close()
        raise StoreRefusedError(f"DeleteObject {key}: the store confirmed it, and still gives the object out")

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


def server_of(answer: dict[str, Any]) -> str | None:
    """Return what the store calls itself in an answer."""
    server: str | None = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("server")
    return server


def version_of(answer: dict[str, Any]) -> str | None:
    """Return the version that an answer names; `null` is that of a bucket which keeps none, and refused elsewhere."""
    version_id: str | None = answer.get("VersionId")
    return None if version_id == "null" else version_id
