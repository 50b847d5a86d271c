"""The rules of stores that cannot be run here: each does what its source says, and no more."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from dataclasses import replace

import pytest
from awscrt.checksums import crc64nvme
from botocore.exceptions import ClientError

from tests.stores.bucket import SeenBucket
from tests.support.stores.real import seaweedfs_at
from tests.support.stores.rules import DOCUMENTED
from tests.support.stores.way import Way

BODY = b"a body"
CRC64 = {"ChecksumCRC64NVME": base64.b64encode(crc64nvme(BODY).to_bytes(8, "big")).decode()}
SHA256 = {"ChecksumSHA256": base64.b64encode(hashlib.sha256(BODY).digest()).decode()}
WRONG = {"ChecksumSHA256": base64.b64encode(hashlib.sha256(b"another").digest()).decode()}


class Tried:
    """Each method is one thing to try; it returns `ok`, or the status and code of the store's refusal."""

    def __init__(self, client, bucket):
        self.client, self.named = client, {"Bucket": bucket, "Key": secrets.token_hex(4)}

    def put(self, **options):
        return self.client.put_object(**self.named, Body=BODY, **options)

    def put_twice(self, **options):
        self.put()
        return self.put(**options)

    def head(self, **options):
        self.put()
        return self.client.head_object(**self.named, **options)

    def versions(self):
        return self.client.list_object_versions(Bucket=self.named["Bucket"])

    def upload(self, begun, part, whole, bodies=(BODY,)):
        """Go through an upload, the options of whose three requests these are."""
        upload = self.client.create_multipart_upload(**self.named, **begun)
        named = {**self.named, "UploadId": upload["UploadId"]}
        try:
            parts = [
                {
                    "PartNumber": number,
                    "ETag": self.client.upload_part(**named, **part, PartNumber=number, Body=body)["ETag"],
                }
                for number, body in enumerate(bodies, 1)
            ]
            parts = [entry | part for entry in parts]
            return self.client.complete_multipart_upload(**named, **whole, MultipartUpload={"Parts": parts})
        except ClientError:
            self.client.abort_multipart_upload(**named)
            raise


WHOLE_CRC64 = ({"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}, CRC64)
SHA = {"ChecksumAlgorithm": "SHA256"}
SIZES = (b"x" * (6 << 20), b"x" * (5 << 20), b"x")


@pytest.fixture(scope="module")
def bucket_behind(seaweed):
    behind = seaweedfs_at(seaweed)
    bucket = SeenBucket(behind, f"test-{secrets.token_hex(8)}", "")
    bucket.made()
    yield behind, bucket
    bucket.dropped()


def tries(tried, what, *arguments, **options):
    try:
        getattr(tried, what)(*arguments, **options)
    except ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]
    return "ok"


@pytest.mark.parametrize(
    ("store", "expected", "what", "arguments", "options"),
    [
        ("MinIO", (400, "InvalidArgument"), "upload", (WHOLE_CRC64[0], {}, CRC64), {}),
        ("MinIO", "ok", "upload", (WHOLE_CRC64[0], CRC64, CRC64), {}),
        ("MinIO", "ok", "upload", ({}, {}, {}), {}),
        ("RustFS", (500, "InternalError"), "upload", (WHOLE_CRC64[0], {}, CRC64), {}),
        ("Cloudflare R2", "ok", "upload", (WHOLE_CRC64[0], {}, CRC64), {}),
        ("Cloudflare R2", (501, "NotImplemented"), "upload", (SHA | {"ChecksumType": "FULL_OBJECT"}, SHA256, {}), {}),
        ("Cloudflare R2", (400, "InvalidPart"), "upload", ({}, {}, {}, SIZES), {}),
        ("Cloudflare R2", (501, "NotImplemented"), "versions", (), {}),
        ("Cloudflare R2", (501, "NotImplemented"), "put", (), {"Tagging": "a=b"}),
        ("Cloudflare R2", (412, "PreconditionFailed"), "put_twice", (), {"IfNoneMatch": "*"}),
        ("Backblaze B2", (400, "InvalidArgument"), "put", (), CRC64),
        ("Backblaze B2", (400, "400"), "head", (), {"ChecksumMode": "ENABLED"}),
        ("Backblaze B2", (501, "NotImplemented"), "put", (), {"IfNoneMatch": "*"}),
        ("Backblaze B2", "ok", "put", (), {}),
        ("Garage", (400, "InvalidRequest"), "upload", (WHOLE_CRC64[0], CRC64, CRC64), {}),
        ("Garage", "ok", "put", (), {"ChecksumCRC64NVME": "AAAAAAAAAAA="}),
        ("Garage", (400, "BadDigest"), "put", (), WRONG),
        ("Garage", "ok", "put_twice", (), {"IfNoneMatch": "*"}),
        ("GCS XML API", "ok", "put", (), WRONG),
        ("GCS XML API", "ok", "put_twice", (), {"IfNoneMatch": "*"}),
        ("OCI", (400, "InvalidRequest"), "put", (), CRC64),
        ("OCI", (400, "BadDigest"), "put", (), WRONG),
        ("OCI", "ok", "put", (), SHA256),
    ],
)
async def test_a_rule_does_what_its_source_says(bucket_behind, store, expected, what, arguments, options):
    behind, bucket = bucket_behind
    async with Way(behind, DOCUMENTED[store]) as way:
        tried = Tried(replace(behind, endpoint_url=way.endpoint_url).client(), bucket.name)
        assert await asyncio.to_thread(tries, tried, what, *arguments, **options) == expected
