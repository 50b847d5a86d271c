"""Learns what a bucket can do by trying it, on objects of its own that it removes again.

A kind of checksum counts only where its right value was taken and its wrong one refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from receiver import logs
from receiver.checksums import checksum_of, digest_of, etag_of
from receiver.errors import StoreUnavailableError
from receiver.objectstore import words
from receiver.objectstore.body import RelayBody
from receiver.objectstore.faults import translated
from receiver.objectstore.trial_requests import BODY, OTHER, TYPE, LyingBody, TrialRequests, TrialSight
from receiver.records import Learnt, OpenUpload, Rung, StoreAbilities
from receiver.tasks import to_the_end

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.objectstore.bucket import Bucket

TRIAL = "-trial"
"""In the name of every object of a trial."""
_FIRST_PART_BYTES = 5 * 1024 * 1024  # no store takes a smaller one before another
_PUT_LADDER = (Rung.CRC64NVME, Rung.CRC32C, Rung.CRC32, Rung.SHA256_PARTS, Rung.MD5)
_UPLOAD_LADDER = (Rung.CRC64NVME, Rung.CRC32C, Rung.CRC32, Rung.SHA256_PARTS, Rung.CRC32C_PARTS, Rung.MD5)
_MD5 = digest_of("md5", BODY)
_HIGH_NUMBER = 9000
_FEW_PARTS = 1000
_log = logs.get("objectstore")


class AbilityTrial(TrialRequests):
    """A view of the bucket for one trial: its `abilities` are what was found so far."""

    async def learn(self, key: str, *, now: datetime) -> Learnt:
        """Try the bucket under `key`, which nobody else may use, and under keys that begin with `<key>-large`.

        Raises `StoreError` where the store is away or refuses plain writes: then nothing is learnt.
        """
        self._small, self._large = key, f"{key}-large"
        self._seen = TrialSight()
        try:
            server = await self._baseline()
            await self._try_objects()
            await self._try_bookkeeping()
            await self._try_uploads()
        finally:
            await to_the_end(self._removed())
        learnt = Learnt(abilities=self.abilities, server=server, at=now, is_sure=self._seen.is_sure)
        _log.info("store_tried", server=server, is_sure=learnt.is_sure, **vars_of(self.abilities))
        return learnt

    async def clear(self, folder: str, *, before: datetime) -> None:
        """Remove what trials that were killed left under `folder`, where they began before then. Safe to repeat."""
        for upload in await self.open_uploads(folder):
            if TRIAL in upload.key and upload.begun_at is not None and upload.begun_at < before:
                await self.abort_upload(upload)
        with translated("ListObjectsV2", folder):
            listed = await self._client.list_objects_v2(Bucket=self.name, Prefix=folder)
        for one in listed.get("Contents", []):
            if TRIAL in one["Key"] and one["LastModified"] < before:
                await self.delete(one["Key"])
                _log.warning("trial_object_removed", key=one["Key"])

    def _found(self, **found: Any) -> None:
        self.abilities = replace(self.abilities, **found)

    async def _baseline(self) -> str | None:
        """Store a small object as plainly as may be; without that right nothing can be said.

        A bucket that locks what it is given takes nothing without a checksum, of which all know the oldest.
        """
        self._seen.keys.add(self._small)
        if await self._taken(self._put_small({"ContentMD5": _MD5})) is None:
            with translated("PutObject", self._small):
                await self._put_small({})
        return await self.asked_for_server()

    async def _try_objects(self) -> None:
        if await self._taken(self._head(self._small, None)) is None:
            self._found(head_checksums=False)
            if await self._head(self._small, None) is None:
                raise StoreUnavailableError(f"the store confirmed {self._small}, then did not find it")
        self._found(put_proof=Rung.READ_BACK)
        for rung in _PUT_LADDER:
            right, wrong = words.put_value(rung, BODY), words.put_value(rung, OTHER)
            answer = await self._taken(self._put_small(words.put_options(rung, right)))
            if answer is None or not _tells(rung, right, answer):
                continue
            if await self._taken(self._put_small(words.put_options(rung, wrong))) is None:
                self._found(put_proof=rung)
                break
        self._found(
            conditional_put=await self._refuses_as_taken(self._put_small({"ContentMD5": _MD5, "IfNoneMatch": "*"}))
        )
        listing = await self._listed(self._client.list_object_versions(Bucket=self.name, Prefix=self._small))
        entries = listing.get("Versions", []) if listing is not None else []
        self._found(lists_versions=listing == {} or any(entry["Key"] == self._small for entry in entries))
        await self._try_reading()

    async def _try_reading(self) -> None:
        asked = {"Range": "bytes=2-6", "ResponseContentDisposition": "attachment; filename=t"}
        answer = await self._taken(self._client.get_object(Bucket=self.name, Key=self._small, **asked))  # type: ignore[arg-type]
        if answer is None:
            self._found(ranges=False, response_headers=False)
            return
        async with answer["Body"] as body:
            brought = await body.read(len(BODY))
        self._found(
            ranges=answer["ResponseMetadata"]["HTTPStatusCode"] == 206 and brought == BODY[2:7],
            response_headers=answer.get("ContentDisposition") == asked["ResponseContentDisposition"],
        )

    async def _try_uploads(self) -> None:
        """Find the strongest rung; a store that cannot end an upload is not given more of them than it must have."""
        for rung in _UPLOAD_LADDER if self.abilities.aborts else ():
            trailers = await self._refuses_wrong(rung)
            if trailers is not None:
                self._found(upload_proof=rung, part_trailers=trailers)
                if await self._completes(rung):
                    return
        self._found(upload_proof=Rung.READ_BACK, part_trailers=False)

    async def _refuses_wrong(self, rung: Rung) -> bool | None:
        """Tell how parts bring their checksums where the store refuses a wrong value: by trailer, or not at all.

        None where it takes a wrong value, or refuses a right one.
        """
        upload = await self._begun(self._large, rung)
        if upload is None:
            return None
        try:
            if rung is Rung.MD5:
                return await self._refuses_wrong_md5(upload)
            if rung.is_of_parts:
                return await self._refuses_wrong_trailer(upload)
            return await self._refuses_wrong_total(upload)
        finally:
            await self._ended(upload)

    async def _refuses_wrong_md5(self, upload: OpenUpload) -> bool | None:
        right, wrong = digest_of("md5", BODY), digest_of("md5", OTHER)
        if await self._taken(self._part(upload, ContentMD5=wrong)) is not None:
            return None
        answer = await self._taken(self._part(upload, ContentMD5=right))
        return None if answer is None or not _tells(Rung.MD5, right, answer) else False

    async def _refuses_wrong_trailer(self, upload: OpenUpload) -> bool | None:
        if await self._taken(self._relayed(upload, RelayBody)) is None:
            return None
        return True if await self._taken(self._relayed(upload, LyingBody)) is None else None

    async def _refuses_wrong_total(self, upload: OpenUpload) -> bool | None:
        trailers = False
        part = await self._taken(self._part(upload))
        if part is None:
            trailers = True
            part = await self._taken(self._relayed(upload, RelayBody))
        if part is None:
            return None
        algorithm = upload.rung.algorithm
        entry = {"PartNumber": 1, "ETag": part.get("ETag"), words.FIELDS[algorithm]: digest_of(algorithm, BODY)}
        options = words.complete_options(upload.rung, digest_of(algorithm, OTHER))
        return trailers if await self._taken(self._complete_raw(upload, [entry], **options)) is None else None

    async def _completes(self, rung: Rung) -> bool:
        """Store an object in two parts as a copy would, and tell whether the store proves it on this rung."""
        head = await self._taken(self._stored_in_parts(f"{self._large}-{rung}", bytes(_FIRST_PART_BYTES), BODY))
        return head is not None and head.proof is not None and head.proof.rung is rung

    async def _stored_in_parts(self, key: str, *bodies: bytes) -> Any:
        self._seen.keys.add(key)
        upload = await self.begin_upload(key, content_type=TYPE)
        self._seen.uploads[upload.upload_id] = upload
        parts = [
            await self.upload_part(upload, number, iter([memoryview(body)]), size_bytes=len(body))
            for number, body in enumerate(bodies, start=1)
        ]
        head = await self.complete_upload(upload, parts, checksum=checksum_of(b"".join(bodies)))
        self._seen.uploads.pop(upload.upload_id)
        return head

    async def _try_bookkeeping(self) -> None:
        """Look at what is needed around an upload: its listings, completing onto an object, its end."""
        upload = await self._begun(self._small, Rung.READ_BACK)
        part = None if upload is None else await self._taken(self._part(upload, ContentMD5=_MD5))
        if upload is None or part is None:
            raise StoreUnavailableError("the store takes no multipart upload, which large files need")
        await self._try_listings(upload)
        entry = {"PartNumber": 1, "ETag": part.get("ETag")}
        guarded = await self._refuses_as_taken(self._complete_raw(upload, [entry], IfNoneMatch="*"))
        self._found(conditional_complete=guarded)
        if not guarded:
            await self._ended(upload)  # it may have been refused for another reason
            upload = await self._begun(self._small, Rung.READ_BACK) or upload
        many = await self._taken(self._part(upload, number=_HIGH_NUMBER, ContentMD5=_MD5))
        self._found(most_parts=self.abilities.most_parts if many is not None else _FEW_PARTS)
        self._found(aborts=await self._ended(upload))

    async def _try_listings(self, upload: OpenUpload) -> None:
        where = {"Bucket": self.name, "Key": upload.key, "UploadId": upload.upload_id}
        listing = await self._listed(self._client.list_parts(**where))  # type: ignore[arg-type]
        parts = [(one["PartNumber"], one["Size"]) for one in (listing or {}).get("Parts", [])]
        self._found(lists_parts=listing == {} or parts == [(1, len(BODY))])
        listing = await self._listed(self._client.list_multipart_uploads(Bucket=self.name, Prefix=self._small))
        uploads = [one["UploadId"] for one in (listing or {}).get("Uploads", [])]
        self._found(lists_uploads=listing == {} or upload.upload_id in uploads)


async def clear_trials(bucket: Bucket, folder: str, *, before: datetime) -> None:
    """Remove what killed trials left, as `AbilityTrial.clear` does, by what the bucket is known to do."""
    view = bucket.again_as(AbilityTrial)
    view.abilities = bucket.abilities
    await view.clear(folder, before=before)


async def learn(bucket: Bucket, key: str, *, now: datetime) -> Learnt:
    """Try what the bucket can do, as `AbilityTrial.learn` does; its own abilities stay as they are."""
    return await bucket.again_as(AbilityTrial).learn(key, now=now)


def vars_of(abilities: StoreAbilities) -> dict[str, Any]:
    """Return the abilities by name."""
    return {name: getattr(abilities, name) for name in StoreAbilities.__dataclass_fields__}


def _tells(rung: Rung, right: str, answer: Any) -> bool:
    """Tell whether an answer names the right value on this rung, or none where the store need not."""
    ours = etag_of(right) if rung is Rung.MD5 else right
    return words.told(rung, answer) in ({ours} if rung is Rung.MD5 else {ours, None})
