from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.media import Structure, walker_for
from receiver.media.sniff import SNIFF_BYTES, sniff
from receiver.media.walk import BLOCK_BYTES
from receiver.sandbox.mp4 import small_mp4

DATA = Path(__file__).parent.parent / "data"
SANDBOX = small_mp4(b"a recording", b"\x10\x80\xf0", 7.5, padding=900)
FILES = {name: (DATA / name).read_bytes() for name in ("faststart.mp4", "fragmented.mp4", "live.webm")} | {
    "sandbox.mp4": SANDBOX
}
TYPES = {name: sniff(data[:SNIFF_BYTES]).content_type for name, data in FILES.items()}
# Where a file ends as a whole one would: behind each fragment, and up to 4 bytes of the next box's
# header, which could be anything.
UNTOLD = {
    "faststart.mp4": set(),
    "sandbox.mp4": set(),
    "fragmented.mp4": {at + more for at in (4368, 6780) for more in range(5)},
    "live.webm": {3399, 6226},
}


def judge(content_type: str, data: bytes | memoryview, sizes: list[int] | None = None) -> Structure:
    walker = walker_for(content_type)
    at = 0
    for size in sizes or []:
        walker.feed(data[at : at + size])
        at += size
        assert len(walker._held) <= BLOCK_BYTES
    walker.feed(data[at:])
    return walker.finish(len(data))


@pytest.mark.parametrize(
    ("name", "duration_s"),
    [("faststart.mp4", 2.0), ("fragmented.mp4", None), ("live.webm", None), ("sandbox.mp4", 7.5)],
)
def test_a_whole_file_passes_and_its_duration_is_known_if_it_says_so(name, duration_s):
    assert judge(TYPES[name], FILES[name]) == Structure(duration_s=duration_s, incomplete=None)


@pytest.mark.parametrize("name", FILES)
def test_every_cut_is_caught_but_where_the_format_cannot_tell(name):
    data = FILES[name]
    cuts = set(range(24, len(data), 7)) | {at + near for at in UNTOLD[name] for near in range(-8, 9)}
    assert {cut for cut in cuts if judge(TYPES[name], data[:cut]).incomplete is None} == UNTOLD[name]


SIZES = st.lists(st.integers(0, 700), max_size=30)


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1), SIZES)
def test_any_chunking_gives_the_same_result(name, share, sizes):
    data = FILES[name][: int(share * len(FILES[name]))]
    assert judge(TYPES[name], memoryview(data), sizes) == judge(TYPES[name], data)


@pytest.mark.parametrize("name", FILES)
def test_single_bytes_give_the_same_result(name):
    data = FILES[name]
    assert judge(TYPES[name], data, [1] * len(data)) == judge(TYPES[name], data)


@given(st.data())
def test_damage_never_raises(data):
    name = data.draw(st.sampled_from(sorted(FILES)))
    damaged = bytearray(FILES[name][: data.draw(st.integers(0, len(FILES[name])))])
    if damaged:
        for at in data.draw(st.lists(st.integers(0, min(len(damaged), 1500) - 1), max_size=8)):
            patch = data.draw(st.sampled_from([b"\0", b"\xff", b"\0\0\0\1", bytes(8), b"\xff" * 8, b"\0\0\0\x08"]))
            damaged[at : at + len(patch)] = patch
    sizes = data.draw(SIZES)
    assert judge(TYPES[name], bytes(damaged), sizes) == judge(TYPES[name], bytes(damaged))


@given(st.sampled_from(["video/mp4", "video/webm"]), st.binary(max_size=300), SIZES)
def test_random_bytes_never_raise(content_type, data, sizes):
    assert judge(content_type, data, sizes) == judge(content_type, data)


SEGMENT = bytes.fromhex("1a45dfa380 1853806701ffffffffffffff")
TINY = [
    ("video/mp4", b"\0\0\0\x08ftyp", b"\0\0\0\x08free"),
    ("video/mp4", b"\0\0\0\x08ftyp\0\0\0\0moov", b"\0\0\0\x08trak"),
    ("video/webm", SEGMENT, b"\xec\x80"),
    ("video/webm", SEGMENT, bytes.fromhex("1f43b675ff")),
]


@pytest.mark.parametrize(("content_type", "head", "tiny"), TINY)
def test_a_file_of_mere_headers_is_given_up_and_not_judged(content_type, head, tiny):
    walker = walker_for(content_type)
    walker.feed(head)
    chunk = tiny * (65536 // len(tiny))
    for _ in range(64):
        walker.feed(chunk)
    fed_bytes = len(head) + 64 * len(chunk)
    assert walker._count <= 200_001 + fed_bytes // 32
    assert len(walker._reader._open) <= 8
    assert walker.finish(fed_bytes) == Structure(duration_s=None, incomplete=None)


def test_a_walker_that_did_not_see_every_byte_says_nothing():
    walker = walker_for("video/mp4")
    walker.feed(SANDBOX[:100])
    assert walker.finish(len(SANDBOX)) == Structure(duration_s=None, incomplete=None)


@pytest.mark.parametrize("content_type", ["audio/amr", "video/H264", "application/octet-stream"])
def test_other_types_have_no_walker(content_type):
    assert walker_for(content_type) is None


@pytest.mark.parametrize("content_type", ["video/mp4", "audio/mp4", "video/quicktime"])
def test_the_mp4_family_has_one(content_type):
    assert judge(content_type, SANDBOX).duration_s == 7.5
