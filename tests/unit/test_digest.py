from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.records import UploadedPart
from receiver.transfer.digest import RunningDigest, combined
from receiver.transfer.limits import MAX_PARTS, MIB, Limits
from receiver.transfer.parts import parts_of
from tests.support.memory_target import checksum_of


def test_the_check_value_of_crc64nvme():
    digest = RunningDigest()
    digest.feed(0, b"123456789")
    assert digest.checksum == "crc64nvme:rosUhgp5mIg="  # 0xAE8B14860A799888, the catalogue of parametrised CRCs


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=20))
def test_bytes_that_come_again_are_hashed_once(data, reads):
    digest = RunningDigest()
    for first, length in reads:
        start = min(first, digest.position)
        digest.feed(start, data[start : start + length])
    digest.feed(digest.position, data[digest.position :])
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.checksum == checksum_of(data)


def test_a_gap_is_a_defect():
    with pytest.raises(ValueError, match="bytes at 5 came before those at 0"):
        RunningDigest().feed(5, b"x")


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_the_parts_checksums_combine_to_the_whole(chunks):
    parts = [
        UploadedPart(number=n, etag="", size_bytes=len(chunk), checksum=checksum_of(chunk))
        for n, chunk in enumerate(chunks, 1)
    ]
    assert combined(parts) == checksum_of(b"".join(chunks))


@given(st.integers(1, 5 * 1024**4))
def test_parts_cover_the_file_and_are_never_too_many(size):
    part_size = Limits(max_file_bytes=1 << 60).part_size(size)
    assert part_size >= 16 * MIB
    assert -(-size // part_size) <= MAX_PARTS


@pytest.mark.parametrize(
    ("file_mib", "part_mib"), [(1, 16), (512, 16), (1024, 32), (4096, 128), (9000 * 128, 128), (9000 * 200, 200)]
)
def test_large_files_have_few_parts_which_are_not_so_large_that_repeating_one_is_dear(file_mib, part_mib):
    assert Limits(max_file_bytes=1 << 60).part_size(file_mib * MIB) == part_mib * MIB


def test_a_part_is_never_smaller_than_was_asked_for():
    assert Limits(max_file_bytes=1 << 60, part_size_bytes=200 * MIB).part_size(4096 * MIB) == 200 * MIB


def test_parts_lie_end_to_end():
    parts = parts_of(25, 10)
    assert [(part.number, part.first, part.end, part.size_bytes) for part in parts] == [
        (1, 0, 10, 10),
        (2, 10, 20, 10),
        (3, 20, 25, 5),
    ]
