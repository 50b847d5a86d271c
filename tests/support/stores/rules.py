"""What stores that cannot be run here are documented to do, as rules of a proxy before SeaweedFS.

Each rule says where it was read, and of when that is. What no rule of a store names is as SeaweedFS does it.
"""

from __future__ import annotations

import re

from tests.support.stores.asked import UNSIGNED, Answer, Asked, refusal
from tests.support.stores.way import Rules

ALGORITHMS = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")
_SUMS = tuple(f"x-amz-checksum-{name}" for name in ALGORITHMS)
_ABOUT_SUMS = (
    *_SUMS,
    "x-amz-checksum-type",
    "x-amz-checksum-algorithm",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
)
_IN_XML = rb"<Checksum(?:CRC64NVME|CRC32C?|SHA1|SHA256)>[^<]*</Checksum[^>]*>"
_WRITES = {"PutObject", "CompleteMultipartUpload"}


def sums_of(asked: Asked) -> set[str]:
    """Return the algorithms whose checksum comes with this request, in its head or after its body."""
    headed = {name for name in ALGORITHMS if f"x-amz-checksum-{name}" in asked.headers}
    trailer = asked.headers.get("x-amz-trailer", "").lower().removeprefix("x-amz-checksum-")
    return headed | ({trailer} if trailer else set())


def parts_bring_their_sum(asked: Asked) -> Answer | None:
    """MinIO: a part of an upload that was begun with an algorithm must bring that checksum.

    Source: `checksum missing, want %q, got %q` in cmd/erasure-multipart.go of minio/minio, 2026-02.
    """
    if asked.operation != "UploadPart" or asked.upload is None or not asked.upload.algorithm:
        return None
    if asked.upload.algorithm.lower() in sums_of(asked):
        return None
    return refusal(400, "InvalidArgument", f"(checksum missing, want {asked.upload.algorithm!r}, got '')")


def parts_bring_their_sum_or_500(asked: Asked) -> Answer | None:
    """RustFS: as MinIO, but answered as a fault of the server's own.

    Source: `500 InternalError … checksum mismatch` on UploadPart, rustfs/rustfs #3506, 2026-06; its source, 2026-08.
    """
    answer = parts_bring_their_sum(asked)
    return refusal(500, "InternalError", "Io error: checksum mismatch") if answer else None


def crc32_is_composite(asked: Asked) -> Answer | None:
    """MinIO: CRC32 and CRC32C over the whole object are not what a multipart upload gets.

    Source: pgsty/silo #31, 2026-04: completing such an upload fails.
    """
    whole = asked.headers.get("x-amz-checksum-type", "").upper() == "FULL_OBJECT"
    begun = asked.upload.algorithm if asked.upload else ""
    if asked.operation == "CompleteMultipartUpload" and whole and begun in {"CRC32", "CRC32C"}:
        return refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")
    return None


def tells_another_crc64nvme_after_multipart(asked: Asked, answer: Answer) -> None:
    """RustFS 1.0.0-alpha.90: the CRC64NVME told of a multipart object is not that of its bytes.

    Source: rustfs/rustfs #2282, 2026-03.
    """
    told = answer.headers.get("x-amz-checksum-crc64nvme")
    if asked.operation == "HeadObject" and "-" in answer.headers.get("ETag", "") and told:
        answer.headers["x-amz-checksum-crc64nvme"] = "AAAAAAAAAAA="
    if asked.operation == "CompleteMultipartUpload" and answer.body:
        answer.body = answer.body.replace(b"<ChecksumCRC64NVME>", b"<ChecksumCRC64NVME>AAAA")


def whole_sums_are_crc64nvme(asked: Asked) -> Answer | None:
    """R2: CRC64NVME is of the whole object only, all others are composite only.

    Source: the checksum table of developers.cloudflare.com/r2/api/s3/api, changed by cloudflare-docs #23443, 2025-07.
    """
    algorithm = asked.headers.get("x-amz-checksum-algorithm", "").upper()
    kind = asked.headers.get("x-amz-checksum-type", "").upper()
    if asked.operation != "CreateMultipartUpload" or not algorithm or not kind:
        return None
    if (kind == "FULL_OBJECT") == (algorithm == "CRC64NVME"):
        return None
    return refusal(501, "NotImplemented", f"Header 'x-amz-checksum-type' with value '{kind}' not implemented")


def parts_are_of_one_size(asked: Asked) -> Answer | None:
    """R2: all parts but the last have the same size.

    Source: developers.cloudflare.com/r2/objects/multipart-objects; the message in apache/opendal's notes on R2, 2025.
    """
    if asked.operation != "CompleteMultipartUpload" or asked.upload is None:
        return None
    sizes = [size for _, size in sorted(asked.upload.parts.items())]
    if len(set(sizes[:-1])) <= 1 and (len(sizes) < 2 or sizes[-1] <= sizes[0]):
        return None
    return refusal(400, "InvalidPart", "All non-trailing parts must have the same length.")


def no_versions(asked: Asked) -> Answer | None:
    """R2 and Garage: ListObjectVersions and the bucket's versioning are not implemented.

    Source: R2's table of unimplemented operations, 2025-07; Garage's S3 compatibility page, release 1.2, 2025-06.
    """
    if asked.operation in {"ListObjectVersions", "GetBucketVersioning"}:
        return refusal(501, "NotImplemented", f"{asked.operation} is not implemented")
    return None


def no_tagging(asked: Asked) -> Answer | None:
    """R2: `x-amz-tagging` on a write is 501.

    Source: R2's table of unimplemented features, 2025-07.
    """
    if "x-amz-tagging" in asked.headers:
        return refusal(501, "NotImplemented", "Header 'x-amz-tagging' not implemented")
    return None


def no_checksum_headers(asked: Asked) -> Answer | None:
    """B2: a request that speaks of checksums is refused, a HEAD or GET that asks for them too.

    Source: `Unsupported header 'x-amz-checksum-…' received for this API call`, iterate-ch/cyberduck #16107, 2024-07,
    diced/zipline #746, 2025-03; `x-amz-checksum-mode`: vatesfr/xen-orchestra #8358, 2025-02.
    """
    for name in (*_ABOUT_SUMS, "x-amz-checksum-mode"):
        if name in asked.headers:
            return refusal(400, "InvalidArgument", f"Unsupported header '{name}' received for this API call.")
    return None


def no_conditional_put(asked: Asked) -> Answer | None:
    """B2: If-None-Match on a write is 501.

    Source: sathinduga/obsidian-s3-sync-and-backup #78, 2026-07.
    """
    if asked.operation in _WRITES and "If-None-Match" in asked.headers:
        message = "A header you provided implies functionality that is not implemented"
        return refusal(501, "NotImplemented", message)
    return None


def conditions_are_ignored(asked: Asked) -> None:
    """Garage and GCS: If-None-Match on a write changes nothing.

    Source: Garage 1.2, 2025-06, reads no such header. GCS: aws/aws-sdk-java-v2 #6055, 2025-06; ClickHouse/ClickHouse
    #115266, 2026-09: a losing PUT is answered 200.
    """
    if asked.operation in _WRITES:
        asked.take("If-None-Match")


def crc64nvme_is_unknown(asked: Asked) -> Answer | None:
    """Garage: as an algorithm or trailer it is refused, as a header of a write not even read; no type is read either.

    Source: `request_checksum_algorithm` and `request_checksum_value` in src/api/common/signature/checksum.rs of
    deuxfleurs-org/garage, release 1.2, 2025-06.
    """
    trailer = asked.headers.get("x-amz-trailer", "").lower()
    if asked.headers.get("x-amz-checksum-algorithm", "").upper() == "CRC64NVME" or "crc64nvme" in trailer:
        return refusal(400, "InvalidRequest", "Bad request: invalid checksum algorithm")
    asked.take("x-amz-checksum-crc64nvme", "x-amz-checksum-type")
    asked.rewrite(rb"<ChecksumCRC64NVME>[^<]*</ChecksumCRC64NVME>")
    return None


def checksums_are_ignored(asked: Asked) -> None:
    """GCS: x-amz-checksum-* is no header of the XML API's, which has x-goog-hash and Content-MD5; so it is not read.

    Source: the list of headers in docs.cloud.google.com/storage/docs/xml-api/reference-headers, 2026.
    """
    asked.take(*_ABOUT_SUMS, "x-amz-checksum-mode")
    asked.rewrite(_IN_XML)


def no_aws_chunked(asked: Asked) -> Answer | None:
    """OCI: a body framed as aws-chunked is refused.

    Source: `NotImplemented: AWS chunked encoding not supported`, activepieces/activepieces #14110, 2026-07.
    """
    if asked.headers.get("x-amz-content-sha256", UNSIGNED).startswith("STREAMING"):
        return refusal(501, "NotImplemented", "AWS chunked encoding not supported")
    return None


def framing_breaks_the_signature(asked: Asked) -> Answer | None:
    """GCS: what an SDK adds for checksums after the body makes the signature another.

    Source: aws/aws-sdk-java-v2 #6055 and the SDKs' notes on `requestChecksumCalculation`, 2025-06.
    """
    if asked.headers.get("x-amz-content-sha256", UNSIGNED).startswith("STREAMING"):
        return refusal(403, "SignatureDoesNotMatch", "Access denied.")
    return None


def only_sha256_and_crc32c(asked: Asked) -> Answer | None:
    """OCI: of all checksums it takes SHA-256 and CRC32C, beside Content-MD5.

    Source: `OCI accepts only MD5/SHA256/CRC32C`, activepieces/activepieces #14110, 2026-07.
    """
    algorithm = asked.headers.get("x-amz-checksum-algorithm", "").lower()
    for name in sums_of(asked) | ({algorithm} if algorithm else set()):
        if name not in {"sha256", "crc32c"}:
            return refusal(400, "InvalidRequest", f"x-amz-checksum-{name} is not supported")
    return None


def tells_no_checksums(asked: Asked, answer: Answer) -> None:
    """B2, GCS: no answer names an x-amz-checksum-*, for no object has one.

    Source: as of the rules above.
    """
    for name in (*_SUMS, "x-amz-checksum-type"):
        answer.headers.popall(name, None)
    answer.body = re.sub(_IN_XML, b"", answer.body) if answer.body else answer.body


DOCUMENTED: dict[str, Rules] = {
    "MinIO": Rules(asks=(parts_bring_their_sum, crc32_is_composite)),
    "RustFS": Rules(asks=(parts_bring_their_sum_or_500,)),
    "RustFS alpha.90": Rules(asks=(parts_bring_their_sum_or_500,), tells=(tells_another_crc64nvme_after_multipart,)),
    "Cloudflare R2": Rules(asks=(whole_sums_are_crc64nvme, parts_are_of_one_size, no_versions, no_tagging)),
    "Backblaze B2": Rules(asks=(no_checksum_headers, no_conditional_put), tells=(tells_no_checksums,)),
    "Garage": Rules(asks=(crc64nvme_is_unknown, conditions_are_ignored, no_versions)),
    "GCS XML API": Rules(
        asks=(framing_breaks_the_signature, checksums_are_ignored, conditions_are_ignored),
        tells=(tells_no_checksums,),
    ),
    "OCI": Rules(asks=(no_aws_chunked, only_sha256_and_crc32c)),
}
"""The rules of each store by its name, in the README's table too."""
