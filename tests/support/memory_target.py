"""A `Target` in memory, whose parts can be made to fail. The contract suite runs on it and on the real bucket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from awscrt.checksums import crc64nvme

from receiver.checksums import for_store
from receiver.errors import KeyTakenError, StoreChecksumError, StoreDeniedError, StoreUnavailableError
from receiver.records import CopyProof, HeldPart, ObjectHead, OpenUpload, Rung, StoreAbilities, UploadedPart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence


@dataclass
class PartFault:
    """Fail a part's next `times` tries with `error` once `after_bytes` of it were read."""

    error: Exception
    after_bytes: int = 0
    times: int = 1


@dataclass
class _Upload:
    key: str
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryTarget:
    """Holds objects and uploads in dictionaries that tests look into; `tries` lists the part numbers as they came.

    No part is answered before part `hold_until` has been read. `lies` are checksums that `head` tells instead.
    Where it `keeps_all`, nothing may be deleted.
    """

    def __init__(self) -> None:
        self.name = "memory"
        self.abilities = StoreAbilities()
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.uploads: dict[str, _Upload] = {}
        self.part_faults: dict[int, PartFault] = {}
        self.tries: list[int] = []
        self.lies: dict[str, str | None] = {}
        self.hold_until = 0
        self.keeps_all = False
        self._ids = itertools.count(1)
        self._answering = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0

    async def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        assert version_id is None
        if key not in self.objects:
            return None
        body, content_type = self.objects[key]
        told = self.lies.get(key, checksum_of(body)) if self.abilities.tells_crc64nvme else None
        return ObjectHead(
            key=key,
            size_bytes=len(body),
            etag=etag_of(body),
            checksum=told,
            content_type=content_type,
            version_id=None,
            proof=CopyProof(rung=Rung.CRC64NVME, value=for_store(told)) if told is not None else None,
        )

    async def _written(self, key: str) -> ObjectHead:
        """A store that refuses a wrong checksum has verified what it took, also where it tells nothing of it."""
        head = await self.head(key)
        assert head is not None
        ours = checksum_of(self.objects[key][0])
        if not self.abilities.tells_crc64nvme:
            return head
        if head.checksum not in {None, ours}:
            return replace(head, proof=None, is_contradicted=True)
        return replace(head, proof=CopyProof(rung=Rung.CRC64NVME, value=for_store(ours)))

    async def put(self, key: str, body: bytes | bytearray, *, content_type: str) -> ObjectHead:
        if key in self.objects:
            raise KeyTakenError(key)
        self.objects[key] = (bytes(body), content_type)
        return await self._written(key)

    async def begin_upload(self, key: str, *, content_type: str) -> OpenUpload:
        upload = OpenUpload(key=key, upload_id=f"upload-{next(self._ids)}", rung=self.abilities.upload_proof)
        self.uploads[upload.upload_id] = _Upload(key, content_type)
        return upload

    async def upload_part(
        self, upload: OpenUpload, number: int, chunks: Iterator[memoryview], *, size_bytes: int
    ) -> UploadedPart:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = await asyncio.to_thread(self._receive, number, chunks)
            if number >= self.hold_until:
                self._answering.set()
            await self._answering.wait()
        finally:
            self.in_flight -= 1
        if len(body) != size_bytes:
            raise ValueError(f"{len(body)} bytes came for a part of {size_bytes}")
        if upload.upload_id not in self.uploads:
            raise StoreUnavailableError("NoSuchUpload")
        self.uploads[upload.upload_id].parts[number] = body
        return UploadedPart(number=number, etag=etag_of(body), size_bytes=len(body), checksum=checksum_of(body))

    async def list_parts(self, upload: OpenUpload) -> list[HeldPart] | None:
        if upload.upload_id not in self.uploads:
            return None
        parts = sorted(self.uploads[upload.upload_id].parts.items())
        return [HeldPart(number=number, etag=etag_of(body), size_bytes=len(body)) for number, body in parts]

    def _receive(self, number: int, chunks: Iterator[memoryview]) -> bytes:
        body = bytearray()
        fault = self.part_faults.get(number)
        active = fault is not None and fault.times > 0
        self.tries.append(number)
        for chunk in chunks:
            body += chunk
            if fault is not None and active and len(body) >= fault.after_bytes:
                break
        if fault is not None and active:
            fault.times -= 1
            raise fault.error
        return bytes(body)

    async def complete_upload(self, upload: OpenUpload, parts: Sequence[UploadedPart], *, checksum: str) -> ObjectHead:
        if upload.key in self.objects:
            raise KeyTakenError(upload.key)
        if upload.upload_id not in self.uploads:
            raise StoreUnavailableError("NoSuchUpload")
        held = self.uploads[upload.upload_id]
        body = b"".join(held.parts[part.number] for part in parts)
        if self.abilities.tells_crc64nvme and checksum_of(body) != checksum:
            raise StoreChecksumError("BadDigest")
        del self.uploads[upload.upload_id]
        return await self.put(upload.key, body, content_type=held.content_type)

    async def discard(self, head: ObjectHead) -> None:
        if self.keeps_all:
            raise StoreDeniedError("DeleteObject")
        self.objects.pop(head.key, None)

    async def abort_upload(self, upload: OpenUpload) -> None:
        self.uploads.pop(upload.upload_id, None)

    async def open_uploads(self, prefix: str) -> list[OpenUpload]:
        return [OpenUpload(key=u.key, upload_id=i) for i, u in self.uploads.items() if u.key.startswith(prefix)]

    async def read(self, key: str, *, version_id: str | None = None) -> AsyncIterator[bytes]:
        if key not in self.objects:
            raise StoreUnavailableError("NoSuchKey")
        yield self.objects[key][0]


def etag_of(body: bytes) -> str:
    """Return the ETag of an object or part, quoted as S3 sends it."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def checksum_of(body: bytes) -> str:
    """Return the checksum as records carry it."""
    return "crc64nvme:" + base64.b64encode(crc64nvme(body).to_bytes(8, "big")).decode()
