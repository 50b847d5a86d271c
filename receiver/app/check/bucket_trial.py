"""What the archive asks of a store, and this identity's rights there, tried on two tiny objects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.app.check.refusals import right_remedy
from receiver.checksums import checksum_of
from receiver.errors import JobError, KeyTakenError, StoreDeniedError
from receiver.objectstore import fetched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from receiver.app.check.findings import Finding
    from receiver.objectstore import ProbedBucket
    from receiver.records import OpenUpload, UploadedPart

BODY = b"receiver check: may be deleted.\n"
_LARGE = b"receiver check: a part of an upload, may be deleted.\n"
_TYPE = "text/plain"
_URL_LIFE_S = 60
_CLEAN_UP_S = 10.0
_OVERWRITES = "use a store that honours If-None-Match, or two runs could replace each other's object"
_UNPROVEN = "use a store that keeps and verifies full-object CRC64NVME checksums: no copy could be proven here"


class Trial:
    """Steps that are taken in this order; `removed` comes last, whatever happened before."""

    def __init__(self, bucket: ProbedBucket, key: str) -> None:
        self._bucket = bucket
        self._small, self._large = key, f"{key}-multipart"
        self._stored: set[str] = set()
        self._open: list[OpenUpload] = []
        self._checksums: list[str | None] = []
        self._accepted: list[str] = []
        """Which kinds of write took a wrong checksum."""
        self.steps: Sequence[Callable[[], Awaitable[Finding]]] = (
            self._put,
            self._conditional_put,
            self._multipart,
            self._conditional_multipart,
            self._abort,
            self._checksum,
            self._uploads,
            self._download,
            self._keeping,
        )

    async def _put(self) -> Finding:
        name = "bucket put"
        try:
            await self._bucket.replace(self._small, BODY, content_type=_TYPE)
            self._stored.add(self._small)
        except JobError as e:
            return wrong(name, e.happened, right_remedy(e))
        try:
            head = await self._bucket.head(self._small)
        except JobError as e:
            return wrong(name, f"stored, but {e.happened}", right_remedy(e))
        if head is None or head.size_bytes != len(BODY):
            return wrong(name, f"stored {self._small}, but the store does not show it", "use a consistent store")
        self._checksums.append(head.checksum)
        return ok(name, f"{len(BODY)} bytes stored as {self._small} and seen again")

    async def _conditional_put(self) -> Finding:
        name = "bucket conditional put"
        if self._small not in self._stored:
            return skipped(name, "needs an object that was put")
        try:
            await self._bucket.put(self._small, BODY + b"again", content_type=_TYPE)
        except KeyTakenError:
            return ok(name, "a second put with If-None-Match is refused (412)")
        except JobError as e:
            return wrong(name, e.happened, _OVERWRITES)
        return wrong(name, "a second put with If-None-Match replaced the object", _OVERWRITES)

    async def _multipart(self) -> Finding:
        name = "bucket multipart"
        try:
            upload, part = await self._begun(_LARGE)
            held = await self._bucket.list_parts(upload)
            if held is None or [(one.number, one.size_bytes) for one in held] != [(1, len(_LARGE))]:
                return wrong(name, "the store does not list the part that it took", "use a consistent store")
            if await self._takes_wrong_total(upload, part):
                self._accepted.append("a multipart upload")
                return warning(name, "completed under a wrong checksum", "see `bucket checksum`")
            head = await self._bucket.complete_upload(upload, [part], checksum=checksum_of(_LARGE))
        except KeyTakenError:
            return wrong(name, f"{self._large} was there before it was completed", "see who else writes there")
        except JobError as e:
            return wrong(name, e.happened, right_remedy(e))
        self._stored.add(self._large)
        self._open.remove(upload)
        self._checksums.append(head.checksum)
        return ok(name, "an upload was begun, given a part, listed and completed")

    async def _begun(self, body: bytes) -> tuple[OpenUpload, UploadedPart]:
        upload = await self._bucket.begin_upload(self._large, content_type=_TYPE)
        self._open.append(upload)
        return upload, await self._bucket.upload_part(upload, 1, iter([memoryview(body)]), size_bytes=len(body))

    async def _takes_wrong_total(self, upload: OpenUpload, part: UploadedPart) -> bool:
        try:
            await self._bucket.complete_upload(upload, [part], checksum=checksum_of(BODY))
        except StoreDeniedError:
            raise
        except JobError:
            return False
        self._stored.add(self._large)
        self._open.remove(upload)
        return True

    async def _conditional_multipart(self) -> Finding:
        """Leaves its upload open, for `_abort`."""
        name = "bucket conditional multipart"
        if self._large not in self._stored:
            return skipped(name, "needs an upload that was completed")
        try:
            upload, part = await self._begun(BODY)  # other bytes than lie there, which are no success
            await self._bucket.complete_upload(upload, [part], checksum=part.checksum)
        except KeyTakenError:
            return ok(name, "completing onto an object that exists is refused (412)")
        except JobError as e:
            return wrong(name, e.happened, _OVERWRITES)
        self._open.remove(upload)
        return wrong(name, "completing an upload with If-None-Match replaced the object", _OVERWRITES)

    async def _abort(self) -> Finding:
        name = "bucket abort"
        try:
            if not self._open:
                await self._begun(BODY)
            upload = self._open[-1]
            await self._bucket.abort_upload(upload)
            if await self._bucket.list_parts(upload):
                return wrong(name, "the store keeps the parts of an upload that was aborted", "use a consistent store")
        except JobError as e:
            return wrong(name, e.happened, right_remedy(e))
        self._open.remove(upload)
        return ok(name, "an upload was aborted, and its part is gone")

    async def _checksum(self) -> Finding:
        name = "bucket checksum"
        if self._small not in self._stored:
            return skipped(name, "needs an object that was put")
        try:
            if not await self._bucket.refuses_wrong_checksum(self._small, BODY):
                self._accepted.append("a put")
        except JobError as e:
            return wrong(name, e.happened, _UNPROVEN)
        if self._accepted:
            return wrong(name, f"the store took {' and '.join(self._accepted)} with a wrong CRC64NVME", _UNPROVEN)
        if not {checksum_of(BODY), checksum_of(_LARGE)}.issuperset(self._checksums):
            return wrong(name, "the store does not tell the full object's CRC64NVME of what it holds", _UNPROVEN)
        return ok(name, "the store keeps CRC64NVME over the whole object, and refuses bytes that differ from it")

    async def _uploads(self) -> Finding:
        name = "bucket open uploads"
        try:
            await self._bucket.open_uploads(self._small)
        except JobError as e:
            seen = f"{e.happened}: uploads that nobody claims cannot be found and ended"
            return warning(name, seen, right_remedy(e))
        return ok(name, "may be listed, so those that nobody claims can be ended")

    async def _download(self) -> Finding:
        name = "bucket download"
        if self._small not in self._stored:
            return skipped(name, "needs an object that was put")
        try:
            url = await self._bucket.presign_download(
                self._small, expires_s=_URL_LIFE_S, filename="check.txt", content_type=_TYPE
            )
            status, body = await fetched(url)
            forged, _ = await fetched(_forged(url))
            bare, _ = await fetched(url.partition("?")[0])
        except JobError as e:
            return wrong(name, e.happened, "let this machine, and the browsers of operators, reach the store")
        if status != 200 or not body.startswith(BODY):
            return wrong(name, f"a presigned URL is answered {status}", "allow s3:GetObject, and see `bucket region`")
        if min(forged, bare) < 400:
            how = "a forged signature" if forged < 400 else "no signature at all"
            seen = f"a URL with {how} is answered {min(forged, bare)}: anybody may read this bucket"
            return wrong(name, seen, "block public access to the bucket: recordings are private")
        return ok(name, f"a presigned URL gives the object; one with a forged signature is answered {forged}")

    async def _keeping(self) -> Finding:
        name = "bucket versioning"
        try:
            keeping = await self._bucket.keeping()
        except JobError as e:
            return skipped(name, e.happened)
        unknown = "not told to this identity"
        return ok(name, f"versioning: {keeping.versioning or unknown}; object lock: {keeping.object_lock or unknown}")

    async def removed(self) -> Finding:
        """End uploads and delete objects of this trial, also those whose answer was lost; name what had to stay."""
        name = "bucket delete"
        kept = {self._small, self._large}
        ended = True
        try:
            async with asyncio.timeout(_CLEAN_UP_S):
                for upload in await self._still_open():
                    ended &= await self._done(self._bucket.abort_upload(upload))
                kept = {key for key in kept if not await self._done(self._bucket.delete(key))}
        except TimeoutError:
            pass
        left = sorted(kept & self._stored)
        if not ended:
            return warning(
                name, f"an upload of {self._large} stays open", "allow s3:AbortMultipartUpload, and abort it"
            )
        if not self._stored:
            return skipped(name, "there was nothing to delete")
        if not left:
            return ok(name, "this identity may delete, and nothing of the check is left")
        return ok(
            name,
            f"this identity may not delete, so this check left behind: {', '.join(left)}",
            "right where nothing may ever be deleted; erasure would need s3:DeleteObjectVersion, s3:ListBucketVersions",
        )

    async def _still_open(self) -> set[OpenUpload]:
        """Return this trial's uploads, also one whose beginning was not confirmed, where they may be listed."""
        try:
            return {*self._open, *await self._bucket.open_uploads(self._small)}
        except JobError:
            return set(self._open)

    async def _done(self, doing: Awaitable[None]) -> bool:
        try:
            await doing
        except JobError:
            return False
        return True


def _forged(url: str) -> str:
    head, mark, signature = url.partition("X-Amz-Signature=")
    return f"{head}{mark}{'1' if signature[:1] == '0' else '0'}{signature[1:]}"
