"""A copy is proven on the rung that its bucket was found to hold, and one flipped byte is never archived on any."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest

from receiver.app.cleanup import make_cleanup
from receiver.catalogue import Catalogue
from receiver.errors import ProofTooWeakError, StoreChecksumError, StoreRefusedError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.manifests import manifest_key, write_manifest
from receiver.objectstore import BucketConfig, open_bucket, store_manifest
from receiver.records import NotedObject, RecordingId, Rung, StoreAbilities
from tests.support.clock import NOW
from tests.support.copying import KIB, run_of
from tests.support.intake import STORED, accept
from tests.support.memory_target import MemoryTarget
from tests.support.payloads import payload
from tests.support.s3 import KnownStore
from tests.support.source_server import MIB, Content, SourceServer, ranged
from tests.support.store_proxy import Rule, StoreProxy, s3_error

SMALL, LARGE = 50 * KIB, 11 * MIB
UNPROVEN = StoreAbilities(put_proof=Rung.READ_BACK, upload_proof=Rung.READ_BACK)
RUNGS = [
    (Rung.CRC64NVME, False),
    (Rung.CRC64NVME, True),
    (Rung.CRC32C, False),
    (Rung.CRC32, True),
    (Rung.SHA256_PARTS, True),
    (Rung.CRC32C_PARTS, True),
    (Rung.MD5, False),
    (Rung.READ_BACK, False),
]


@pytest.fixture
async def proxied(seaweed, bucket):
    """Open the bucket through a proxy."""
    async with StoreProxy(seaweed.endpoint_url) as proxy:
        config = BucketConfig(bucket=bucket.name, endpoint_url=proxy.endpoint_url, region=seaweed.region)
        async with open_bucket(config) as opened:
            yield opened, proxy


async def sha256_of(target, key):
    digest = hashlib.sha256()
    async for chunk in target.read(key):
        digest.update(chunk)
    return digest.hexdigest()


def expected(rung, size):
    """Return rung and method of a file of this size: a small one has no parts."""
    if rung is Rung.READ_BACK:
        return rung, "read_back"
    if rung is Rung.MD5:
        return rung, "etag"
    return rung, "composite" if rung.is_of_parts and size == LARGE else "full_object"


@pytest.mark.parametrize(("rung", "part_trailers"), RUNGS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("flipped", [False, True])
async def test_every_rung_proves_and_takes_no_flipped_byte(proxied, rung, part_trailers, size, flipped):
    bucket, proxy = proxied
    put_proof = Rung.CRC32C if rung is Rung.CRC32C_PARTS else rung
    bucket.abilities = StoreAbilities(put_proof=put_proof, upload_proof=rung, part_trailers=part_trailers)
    if flipped:
        proxy.rules.append(Rule(r"^PUT .*partNumber=2\b" if size == LARGE else "^PUT ", flip_bit=True))
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        if flipped and (size == SMALL or rung is Rung.READ_BACK):  # else the part alone is sent again
            with pytest.raises(StoreChecksumError):
                await run.copy(bucket)
            assert [key async for key in bucket.keys("")] == []
        stored = await run.copy(bucket)
    assert stored.sha256 == content.sha256 == await sha256_of(bucket, stored.key)
    assert (stored.proof.rung, stored.proof.method) == expected(put_proof if size == SMALL else rung, size)
    assert stored.checksum.startswith("crc64nvme:")
    assert await bucket.open_uploads("") == []
    reads = [line for line in proxy.lines if re.search("^GET .*/recordings/", line)]
    assert len(reads) == 1 + (1 + flipped if rung is Rung.READ_BACK else 0), "each object is read back once"


async def test_what_is_asked_of_a_store_that_verifies_crc64nvme_is_as_before_the_ladder(proxied):
    bucket, proxy = proxied
    for size, requests in {SMALL: ["PUT"], LARGE: ["POST", "HEAD", *["PUT"] * 3, "POST"]}.items():
        proxy.lines.clear()
        proxy.heads.clear()
        content = Content(size)
        async with SourceServer(lambda r, c=content: ranged(c, r)) as source, run_of(source.url()) as run:
            run.key = f"recordings/{size}"
            await run.copy(bucket)
        assert sorted(line.split()[0] for line in proxy.lines) == sorted(requests)
        puts = [head.lower() for head in proxy.heads if head.startswith(b"PUT")]
        assert [b"x-amz-checksum-" in head for head in puts] == [size == SMALL] * len(puts)
        assert not any(b"aws-chunked" in head or b"content-md5" in head for head in puts)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_object_read_back_with_other_bytes_is_removed(size):
    class Corrupting(MemoryTarget):
        async def read(self, key, *, version_id=None):
            async for body in super().read(key):
                yield body[:-1] + bytes([body[-1] ^ 1])

    target = Corrupting()
    target.abilities = UNPROVEN
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(StoreChecksumError, match="read back"):
            await run.copy(target)
    assert (target.objects, target.uploads) == ({}, {})


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_same_bytes_in_a_store_that_tells_nothing_are_found_by_reading(size):
    target = MemoryTarget()
    target.abilities = UNPROVEN
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        first = await run.copy(target)
        assert run.was_read_back[-1] == size
        run.noted.clear()
        assert await run.copy(target) == first
        noted = NotedObject(key=first.key, size_bytes=size, checksum=first.checksum)
        assert await run.copier.prove_existing(target=target, noted=noted, note=run.read_back) == first
        target.objects[first.key] = (bytes(size), "video/mp4")
        run.noted.clear()
        beside = await run.copy(target)
    assert (beside.key, beside.sha256) == ("recordings/r1.v2.mp4", content.sha256)
    assert target.uploads == {}


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_bucket_that_proves_too_little_is_refused_before_a_byte_is_stored(size):
    target = MemoryTarget()
    target.abilities = UNPROVEN
    content = Content(size)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url(), min_proof=Rung.MD5) as run:
        with pytest.raises(ProofTooWeakError, match="RECEIVER_S3_MIN_PROOF asks for md5") as caught:
            await run.copy(target)
    assert caught.value.setting == "RECEIVER_S3_MIN_PROOF"
    assert (target.objects, target.uploads, target.tries) == ({}, {}, [])


async def test_an_upload_that_was_begun_on_another_rung_is_ended_and_begun_anew():
    target = MemoryTarget()
    content = Content(LARGE)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        upload = await target.begin_upload("recordings/r1.mp4", content_type="video/mp4")
        part = await target.upload_part(
            upload, 1, iter(map(memoryview, content.chunks(0, 5 * MIB))), size_bytes=5 * MIB
        )
        await run.copy(target)
        begun = next(one for one, _ in run.begun if one is not None)
        target.objects.clear()
        target.abilities = UNPROVEN
        run.resume = replace(begun, upload=upload, parts=(part,))
        stored = await run.copy(target)
    assert stored.proof.rung is Rung.READ_BACK
    assert target.uploads == {}


async def test_no_file_has_more_parts_than_the_store_takes(proxied):
    bucket, proxy = proxied
    bucket.abilities = StoreAbilities(most_parts=2)
    content = Content(LARGE)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        await run.copy(bucket)
    assert sum("partNumber=" in line for line in proxy.lines) == 2


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_store_without_conditional_writes_is_looked_at_before_and_after(proxied, size):
    bucket, proxy = proxied
    bucket.abilities = StoreAbilities(conditional_put=False, conditional_complete=False)
    await bucket.put("recordings/r1.mp4", b"another", content_type="video/mp4")
    content = Content(size)
    proxy.heads.clear()
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        stored = await run.copy(bucket)
    assert (stored.key, stored.sha256) == ("recordings/r1.v2.mp4", content.sha256)
    assert await sha256_of(bucket, "recordings/r1.mp4") == hashlib.sha256(b"another").hexdigest()
    assert not any(b"if-none-match" in head.lower() for head in proxy.heads)
    assert proxy.heads[-2].startswith(b"HEAD"), "the last is the test's own GET"


async def test_a_manifest_that_came_spoiled_is_replaced_or_removed(proxied, database):
    bucket, proxy = proxied
    bucket.abilities = UNPROVEN
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    await accept(inbox, payload("a"), now=NOW)
    recording = await Catalogue(database).recording(RecordingId("a"))
    key = manifest_key(STORED.key)
    for flips, is_kept in ((1, True), (2, False)):
        proxy.rules[:] = [Rule("^PUT ", times=flips, flip_bit=True)]
        if is_kept:
            await store_manifest(bucket, recording, STORED, archived_at=NOW)
            written = b"".join([chunk async for chunk in bucket.read(key)])
            assert written == write_manifest(recording, STORED, archived_at=NOW)
            assert json.loads(written)["proof"]["method"] == "full_object"
            await bucket.delete(key)
        else:
            with pytest.raises(StoreChecksumError, match="read back"):
                await store_manifest(bucket, recording, STORED, archived_at=NOW)
            assert await bucket.head(key) is None


async def test_a_clean_up_reads_again_what_the_store_cannot_vouch_for(bucket, database):
    bucket.abilities = UNPROVEN
    content = Content(SMALL)
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        stored = await run.copy(bucket)
    cleanup = make_cleanup(database, None, bucket, KnownStore())
    assert (await cleanup.head(stored)).checksum == stored.checksum
    await bucket.replace(stored.key, bytes(SMALL), content_type="video/mp4")
    assert (await cleanup.head(stored)).checksum is None
    await bucket.delete(stored.key)
    assert await cleanup.head(stored) is None


async def test_without_a_listing_of_versions_a_deleted_object_is_asked_for(proxied):
    bucket, proxy = proxied
    bucket.abilities = StoreAbilities(lists_versions=False)
    await bucket.replace("k", b"x", content_type="video/mp4")
    await bucket.delete("k")
    assert [line.split()[0] for line in proxy.lines[-2:]] == ["DELETE", "GET"]
    await bucket.replace("k", b"x", content_type="video/mp4")
    proxy.rules.append(Rule("^DELETE ", answer=b"HTTP/1.1 204 No Content\r\n\r\n"))
    with pytest.raises(StoreRefusedError, match="still gives the object out"):
        await bucket.delete("k")


async def test_a_store_that_cannot_abort_has_a_failed_upload_completed_and_its_object_deleted(proxied):
    bucket, proxy = proxied
    bucket.abilities = StoreAbilities(aborts=False, lists_parts=False)
    content = Content(LARGE)
    proxy.rules.append(Rule(r"partNumber=2\b", times=99, answer=s3_error(501, "NotImplemented")))
    async with SourceServer(lambda r: ranged(content, r)) as source, run_of(source.url()) as run:
        with pytest.raises(StoreRefusedError):
            await run.copy(bucket)
    assert run.forgotten == 1
    assert not any(line.startswith("DELETE") and "uploadId" in line for line in proxy.lines)
    assert [key async for key in bucket.keys("")] == []
    assert await bucket.open_uploads("") == []
    upload = await bucket.begin_upload("k", content_type="video/mp4")
    await bucket.abort_upload(upload)
    await bucket.abort_upload(upload)
    upload = await bucket.begin_upload("k", content_type="video/mp4")
    await bucket.put("k", b"another", content_type="video/mp4")
    with pytest.raises(StoreRefusedError, match="AbortMultipartUpload"):
        await bucket.abort_upload(upload)
    assert await sha256_of(bucket, "k") == hashlib.sha256(b"another").hexdigest()
