"""What is asked of the store on each rung of the ladder, and what its answer is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from receiver import logs
from receiver.checksums import composite, digest_of, etag_of, for_store, laid_end_to_end
from receiver.records import CopyProof, Rung

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from receiver.records import ObjectHead, UploadedPart

FIELDS = {
    "crc64nvme": "ChecksumCRC64NVME",
    "crc32c": "ChecksumCRC32C",
    "crc32": "ChecksumCRC32",
    "sha256": "ChecksumSHA256",
}
WITHOUT_FIELD = frozenset({Rung.MD5, Rung.READ_BACK})
_log = logs.get("objectstore")


def put_value(rung: Rung, body: bytes | bytearray) -> str:
    """Return the body's value on this rung, in base64; "" where nothing is sent with it."""
    return "" if rung is Rung.READ_BACK else digest_of(rung.algorithm, body)


def put_options(rung: Rung, value: str) -> dict[str, Any]:
    if rung is Rung.READ_BACK:
        return {}
    return {"ContentMD5" if rung is Rung.MD5 else FIELDS[rung.algorithm]: value}


def begin_options(rung: Rung) -> dict[str, Any]:
    if rung in WITHOUT_FIELD:
        return {}
    kind = "COMPOSITE" if rung.is_of_parts else "FULL_OBJECT"
    return {"ChecksumAlgorithm": rung.algorithm.upper(), "ChecksumType": kind}


def part_algorithm(rung: Rung) -> str | None:
    """Return which digest of each part is needed, besides the CRC64NVME that all have."""
    return None if rung in {Rung.CRC64NVME, Rung.READ_BACK} else rung.algorithm


def part_entry(rung: Rung, part: UploadedPart) -> dict[str, Any]:
    """Return the part's line in the request that completes its upload."""
    entry: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag}
    if rung is Rung.CRC64NVME:
        entry["ChecksumCRC64NVME"] = for_store(part.checksum)
    elif rung not in WITHOUT_FIELD:
        entry[FIELDS[rung.algorithm]] = part.digest
    return entry


def total(rung: Rung, parts: Sequence[UploadedPart], checksum: str) -> str:
    """Return the whole object's value on this rung, whose CRC64NVME is `checksum`; "" where there is none."""
    if rung is Rung.READ_BACK:
        return ""
    if rung is Rung.CRC64NVME:
        return for_store(checksum)
    digests = [part.digest or "" for part in parts]
    if rung.is_full_object:
        return laid_end_to_end(rung.algorithm, zip(digests, [part.size_bytes for part in parts], strict=True))
    return composite(rung.algorithm, digests)


def complete_options(rung: Rung, value: str) -> dict[str, Any]:
    if rung.is_full_object:
        return {FIELDS[rung.algorithm]: value, "ChecksumType": "FULL_OBJECT"}
    return {"ChecksumType": "COMPOSITE"} if rung.is_of_parts else {}


def told(rung: Rung, answer: Mapping[str, Any]) -> str | None:
    """Return what the answer tells on this rung; a value made from parts says nothing about a whole object."""
    if rung is Rung.READ_BACK:
        return None
    if rung is Rung.MD5:
        return str(answer.get("ETag") or "").strip('"') or None
    value: str | None = answer.get(FIELDS[rung.algorithm])
    return None if value and "-" in value and rung.is_full_object else value or None


def judged(head: ObjectHead, rung: Rung, value: str, answer: Mapping[str, Any]) -> ObjectHead:
    """Add the proof where the store, which refuses a wrong value on this rung, took ours and tells no other.

    Of an ETag, and of a value made from parts, the store compared nothing as a whole: it has to tell the very same.
    """
    if rung is Rung.READ_BACK:
        return replace(head, proof=None)
    theirs, ours = told(rung, answer), etag_of(value) if rung is Rung.MD5 else value
    must_tell = rung is Rung.MD5 or "-" in value
    if theirs == ours or (theirs is None and not must_tell):
        return replace(head, proof=CopyProof(rung=rung, value=ours))
    _log.warning("store_told_otherwise", key=head.key, rung=rung, told=theirs, sent=ours)
    return replace(head, proof=None, is_contradicted=True)
