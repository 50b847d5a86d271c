"""The ladder's words: what a proof is of, and how each kind of digest is written."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from receiver.checksums import composite, digest_of, etag_of, laid_end_to_end
from receiver.objectstore.body import RelayBody
from receiver.records import CopyProof, Rung

ONE, TWO = b"one part" * 1000, b"another"


def test_the_ladder_is_in_order_and_its_last_rung_is_ours():
    assert next(iter(Rung)) is Rung.CRC64NVME
    assert [rung.rank for rung in Rung] == list(range(len(Rung)))
    assert [rung for rung in Rung if CopyProof(rung=rung, value="x").verified_by != "store"] == [Rung.READ_BACK]


@pytest.mark.parametrize(
    ("rung", "value", "words"),
    [
        (Rung.CRC64NVME, "x=", ("full_object", "crc64nvme")),
        (Rung.CRC32, "x=", ("full_object", "crc32")),
        (Rung.SHA256_PARTS, "x=-3", ("composite", "sha256")),
        (Rung.SHA256_PARTS, "x=", ("full_object", "sha256")),
        (Rung.CRC32C_PARTS, "x=-1", ("composite", "crc32c")),
        (Rung.MD5, "ab-2", ("etag", "md5")),
        (Rung.READ_BACK, "ab", ("read_back", "sha256")),
    ],
)
def test_a_proof_says_of_what_its_value_is(rung, value, words):
    proof = CopyProof(rung=rung, value=value)
    assert (proof.method, proof.algorithm) == words


def test_a_crc32_is_combined_from_those_of_the_parts():
    parts = [(digest_of("crc32", body), len(body)) for body in (ONE, TWO)]
    whole = zlib.crc32(ONE + TWO).to_bytes(4, "big")
    assert laid_end_to_end("crc32", parts) == base64.b64encode(whole).decode()
    parts = [(digest_of("crc32c", body), len(body)) for body in (ONE, TWO)]
    assert laid_end_to_end("crc32c", parts) == digest_of("crc32c", ONE + TWO)


def test_a_composite_is_made_of_the_parts_digests():
    md5s = [hashlib.md5(body, usedforsecurity=False) for body in (ONE, TWO)]
    whole = hashlib.md5(b"".join(md5.digest() for md5 in md5s), usedforsecurity=False).hexdigest()
    assert etag_of(composite("md5", [digest_of("md5", body) for body in (ONE, TWO)])) == f"{whole}-2"


class Connection:
    class sock:  # noqa: N801
        @staticmethod
        def settimeout(seconds):
            pass


@pytest.mark.parametrize("size_bytes", [1, 1000, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("chunk_bytes", [700_000, 1 << 20, 5 << 20])
def test_a_framed_body_is_as_long_as_announced_and_ends_in_its_digest(size_bytes, chunk_bytes):
    data = bytes(range(256)) * (size_bytes // 256 + 1)
    data = data[:size_bytes]
    chunks = iter([memoryview(data)[at : at + chunk_bytes] for at in range(0, size_bytes, chunk_bytes)])
    body = RelayBody(chunks, size_bytes, 1, algorithm="sha256", has_trailer=True)
    announced = body.sent_bytes
    sent = b"".join(body.sent_over(Connection()))
    assert len(sent) == announced == body.sent_bytes
    read, rest = b"", sent
    while (length := int(rest.partition(b"\r\n")[0], 16)) != 0:
        head = rest.index(b"\r\n") + 2
        assert length <= 1 << 20
        assert rest[head + length : head + length + 2] == b"\r\n"
        read, rest = read + rest[head : head + length], rest[head + length + 2 :]
    assert read == data
    assert rest == f"0\r\nx-amz-checksum-sha256:{digest_of('sha256', data)}\r\n\r\n".encode()
