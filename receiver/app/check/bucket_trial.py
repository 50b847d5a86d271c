"""What the archive asks of a store, and this identity's rights there, tried on two tiny objects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, skipped, warning, wrong
from receiver.app.check.refusals import right_remedy
from receiver.checksums import checksum_of
from receiver.errors import JobError, KeyTakenError
from receiver.objectstore import fetched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from receiver.app.check.findings import Finding
    from receiver.objectstore import ProbedBucket
    from receiver.records import OpenUpload, UploadedPart

BODY = b"receiver check: may be deleted.\n"
_LARGE = b"receiver check: a part of an upload, may be deleted.\n"
_TYPE = "text/plain"
_URL_LIFE_S = 60
_CLEAN_UP_S = 10.0


class Trial:
    """Steps that are taken in this order; `removed` comes last, whatever happened before."""

    def __init__(self, bucket: ProbedBucket, key: str) -> None:
        self._bucket = bucket
        self._small, self._large = key, f"{key}-multipart"
        self._stored: set[str] = set()
        self._open: list[OpenUpload] = []
        self.steps: Sequence[Callable[[], Awaitable[Finding]]] = (
            self._put,
            self._multipart,
            self._abort,
            self._uploads,
            self._download,
        )

    async def _put(self) -> Finding:
        name = "bucket put"
        try:
            await self._bucket.replace(self._small, BODY, content_type=_TYPE)
            self._stored.add(self._small)
        except JobError as e:
            return wrong(name, e.happened, right_remedy(e, self._bucket.write_settings))
        try:
            head = await self._bucket.head(self._small)
        except JobError as e:
            return wrong(name, f"stored, but {e.happened}", right_remedy(e))
        if head is None or head.size_bytes != len(BODY):
            return wrong(name, f"stored {self._small}, but the store does not show it", "use a consistent store")
        return ok(name, f"{len(BODY)} bytes stored as {self._small} and seen again")

    async def _multipart(self) -> Finding:
        name = "bucket multipart"
        try:
            upload, part = await self._begun(_LARGE)
            lists_parts = self._bucket.abilities.lists_parts
            held = await self._bucket.list_parts(upload)
            if lists_parts and [(one.number, one.size_bytes) for one in held or ()] != [(1, len(_LARGE))]:
                return wrong(name, "the store does not list the part that it took", "use a consistent store")
            await self._bucket.complete_upload(upload, [part], checksum=checksum_of(_LARGE))
        except KeyTakenError:
            return wrong(name, f"{self._large} was there before it was completed", "see who else writes there")
        except JobError as e:
            return wrong(name, e.happened, right_remedy(e))
        self._stored.add(self._large)
        self._open.remove(upload)
        if not lists_parts:
            return ok(name, "an upload was begun and completed; ListParts is lacking, so a cut upload is begun anew")
        return ok(name, "an upload was begun, given a part, listed and completed")

    async def _begun(self, body: bytes) -> tuple[OpenUpload, UploadedPart]:
        upload = await self._bucket.begin_upload(self._large, content_type=_TYPE)
        self._open.append(upload)
        return upload, await self._bucket.upload_part(upload, 1, iter([memoryview(body)]), size_bytes=len(body))

    async def _abort(self) -> Finding:
        name = "bucket abort"
        if not self._bucket.abilities.aborts:
            seen = (
                "AbortMultipartUpload is lacking: an upload that fails is completed with one byte, and that deleted; "
                "one that a killed process had only just begun stays"
            )
            return warning(name, seen, "have the store remove unfinished uploads by itself")
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

    async def _uploads(self) -> Finding:
        name = "bucket open uploads"
        if not self._bucket.abilities.lists_uploads:
            seen = "ListMultipartUploads is lacking: uploads that nobody claims cannot be found and ended"
            return warning(name, seen, "have the store remove unfinished uploads by itself")
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
        seen = f"a presigned URL gives the object; one with a forged signature is answered {forged}"
        return ok(name, "; ".join([seen, *self._lacking_of_downloads()]))

    def _lacking_of_downloads(self) -> Iterator[str]:
        if not self._bucket.abilities.ranges:
            yield "Range is not heeded, so players cannot jump within a recording"
        if not self._bucket.abilities.response_headers:
            yield "response-content-disposition is not heeded, so a download has the key's name"

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
        left = sorted(await self._left() | (kept & self._stored))
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

    async def _left(self) -> set[str]:
        """Return what lies under this check's keys, also of the trial that came before."""
        try:
            return {key async for key in self._bucket.keys(self._small)}
        except JobError:
            return set()

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
