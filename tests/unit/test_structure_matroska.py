from __future__ import annotations

import struct

import pytest

from receiver.media import Structure, walker_for

UNKNOWN = b"\x01" + b"\xff" * 7


def element(kind: str, *parts: bytes, size: bytes | None = None) -> bytes:
    body = b"".join(parts)
    return bytes.fromhex(kind) + (size or (len(body) | 1 << 28).to_bytes(4)) + body


def segment(*parts: bytes, size: bytes | None = UNKNOWN) -> bytes:
    return element("18538067", *parts, size=size)


def cluster(*parts: bytes, size: bytes | None = UNKNOWN) -> bytes:
    return element("1f43b675", element("e7", b"\1"), *parts, size=size)


def seek(position: int | bytes) -> bytes:
    value = position if isinstance(position, bytes) else struct.pack(">I", position)
    return element("114d9b74", element("4dbb", element("53ab", b"\x1c\x53\xbb\x6b"), element("53ac", value)))


def info(duration: bytes, scale: bytes | None = None) -> bytes:
    return element("1549a966", element("2ad7b1", scale) if scale else b"", element("4489", duration))


HEAD = element("1a45dfa3", element("4282", b"webm"))
TRACKS = element("1654ae6b", bytes(30))
BLOCK = element("a3", bytes(50))
GROUP = element("a0", bytes(50))
TAGS = element("1254c367", bytes(20))
VOID = element("ec", bytes(20))
CLUSTER = cluster(BLOCK, size=None)


def judge(data: bytes) -> Structure:
    """Judge it whole, and byte by byte, which must not differ."""
    walker, slow = walker_for("video/webm"), walker_for("video/webm")
    walker.feed(data)
    for at in range(len(data)):
        slow.feed(data[at : at + 1])
    found = walker.finish(len(data))
    assert slow.finish(len(data)) == found
    return found


WHOLE = {
    "sized": HEAD + segment(TRACKS, cluster(BLOCK, size=None), TAGS, size=None),
    "unsized": HEAD + segment(TRACKS, cluster(BLOCK, VOID), cluster(GROUP), TAGS),
    "sized clusters": HEAD + segment(TRACKS, cluster(BLOCK, size=None), cluster(BLOCK, size=None)),
    "unsized in sized": HEAD + segment(TRACKS, cluster(BLOCK), cluster(BLOCK), size=None),
    "unknown in one byte": HEAD + segment(TRACKS, cluster(BLOCK, size=b"\xff"), cluster(BLOCK), size=b"\xff"),
    "one recording behind another": (HEAD + segment(TRACKS, cluster(BLOCK))) * 2,
    "a Void between": VOID + HEAD + VOID + segment(TRACKS, CLUSTER, size=None) + VOID,
    "garbage behind": HEAD + segment(TRACKS, size=None) + b"\xa3\x90",
    "a byte of garbage behind": HEAD + segment(TRACKS, CLUSTER, size=None) + b"\xa3",
    "zeros behind": HEAD + segment(TRACKS, cluster(BLOCK)) + bytes(500),
    "a cut Void": HEAD + segment(TRACKS, CLUSTER, VOID[:-1]),
    "an id that is none": HEAD + segment(TRACKS, cluster(BLOCK, b"\x08\x80"), BLOCK[:9]),
    "a size that is none": HEAD + segment(TRACKS, b"\xe7\0", BLOCK[:9]),
    "unknown size where it may not be": HEAD + segment(element("1254c367", size=UNKNOWN), TRACKS, BLOCK[:9]),
    "an element that overruns its parent": HEAD
    + segment(TRACKS, CLUSTER, element("1254c367", size=b"\x40\x99"), size=None),
    "a header that overruns its parent": HEAD + segment(TRACKS, b"\x1c", size=None) + b"\x53\xbb\x6b\x80" + VOID,
    "a SeekHead that was not filled in": HEAD + segment(seek(b"\xff" * 8), seek(b"\xff" * 4), TRACKS, cluster(BLOCK)),
    "SeekHead within": HEAD + segment(seek(60), TRACKS, cluster(BLOCK)),
    "a sized Segment's SeekHead is not asked": HEAD + segment(seek(10**6), TRACKS, CLUSTER, size=None),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_nothing_contradicts(data):
    assert judge(data).incomplete is None


LATER = HEAD + segment(seek(200), TRACKS, cluster(BLOCK))
CUT = {
    "EBML header": (HEAD[:-1], "the EBML header at byte 0 says it ends at byte 18, the file ends at byte 17"),
    "a sized Segment": (HEAD + segment(TRACKS, TAGS, size=None)[:-24], "the Segment at byte 18 says"),
    "a huge Segment": (HEAD + segment(TRACKS, size=b"\x01" + b"\xff" * 6 + b"\xfe"), "the Segment at byte 18 says"),
    "a sized Cluster": (HEAD + segment(TRACKS, cluster(BLOCK, size=None))[:-1], "the Cluster at byte"),
    "a block": (HEAD + segment(TRACKS, cluster(BLOCK))[:-1], "the SimpleBlock at byte"),
    "a group": (HEAD + segment(TRACKS, cluster(GROUP))[:-1], "the BlockGroup at byte"),
    "in a second recording": (((HEAD + segment(TRACKS, cluster(BLOCK))) * 2)[:-1], "the SimpleBlock at byte"),
    "an id": (HEAD + segment(TRACKS, cluster(BLOCK)) + b"\x1f\x43", "within the header of an element"),
    "one byte of an id": (HEAD + segment(TRACKS, cluster(BLOCK)) + b"\xa3", "within the header of an element"),
    "a size": (HEAD + segment(TRACKS, cluster(BLOCK)) + BLOCK[:3], "within the header of an element"),
    "before what SeekHead points to": (LATER, "the SeekHead points to byte 230, the file ends at byte"),
}


@pytest.mark.parametrize(("data", "problem"), CUT.values(), ids=CUT)
def test_a_cut_is_caught(data, problem):
    found = judge(data)
    assert problem in found.incomplete
    assert found.is_cut


UNPLAYABLE = {
    "before Segment": (HEAD, "the file has no Tracks element"),
    "before Tracks": (HEAD + segment(VOID), "the file has no Tracks element"),
    "before the first Cluster": (HEAD + segment(TRACKS), "the file has no Cluster"),
}


@pytest.mark.parametrize(("data", "reason"), UNPLAYABLE.values(), ids=UNPLAYABLE)
def test_a_file_without_anything_to_play_is_incomplete_though_all_there(data, reason):
    found = judge(data)
    assert reason in found.incomplete
    assert not found.is_cut


DURATIONS = [
    (info(struct.pack(">d", 4008.0)), 4.008),
    (info(struct.pack(">f", 2500.0), (1_000_000).to_bytes(3)), 2.5),
    (info(struct.pack(">d", 5.0), (10**9).to_bytes(4)), 5.0),
    (info(struct.pack(">d", float("nan"))), None),
    (info(struct.pack(">d", float("inf"))), None),
    (info(struct.pack(">d", -1.0)), None),
    (info(b""), None),
    (info(b"\1\2\3"), None),
    (b"", None),
]


@pytest.mark.parametrize(("about", "duration_s"), DURATIONS)
def test_duration(about, duration_s):
    assert judge(HEAD + segment(about, TRACKS, CLUSTER)) == Structure(duration_s=duration_s, incomplete=None)
