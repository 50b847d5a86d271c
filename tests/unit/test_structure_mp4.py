from __future__ import annotations

import struct

import pytest

from receiver.media import Structure, walker_for
from receiver.sandbox.mp4 import box

FTYP = box(b"ftyp", b"isom\0\0\2\0")
HERE, ELSEWHERE = 1, 0


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def u64(*values: int) -> bytes:
    return struct.pack(f">{len(values)}Q", *values)


def mvhd(duration: int = 5000, version: int = 0) -> bytes:
    times = u64(0, 0) + u32(1000) + u64(duration) if version else u32(0, 0, 1000, duration)
    return box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))


def track(table: bytes, reference: int = HERE) -> bytes:
    references = box(b"dinf", box(b"dref", u32(0, 1), box(b"url ", u32(reference))))
    return box(b"trak", box(b"mdia", box(b"minf", references, box(b"stbl", table))))


def stco(*offsets: int) -> bytes:
    return box(b"stco", u32(0, len(offsets), *offsets))


def co64(*offsets: int) -> bytes:
    return box(b"co64", u32(0, len(offsets)), u64(*offsets))


def moov(*parts: bytes) -> bytes:
    return box(b"moov", mvhd(), *parts)


def large(kind: bytes, length: int, body: bytes = b"") -> bytes:
    return u32(1) + kind + u64(length) + body


def fragment(offset: int, flags: int = 0x2_0000, base: bytes = b"") -> bytes:
    return box(b"moof", box(b"traf", box(b"tfhd", u32(flags, 1), base), box(b"trun", u32(1, 1, offset))))


def sidx(*lengths: int, version: int = 0, first: int = 0) -> bytes:
    times = u64(0, first) if version else u32(0, first)
    references = b"".join(u32(length, 0, 0) for length in lengths)
    return box(b"sidx", bytes([version, 0, 0, 0]), u32(1, 1000), times, struct.pack(">HH", 0, len(lengths)), references)


def judge(data: bytes) -> Structure:
    """Judge it whole, and byte by byte, which must not differ."""
    walker, slow = walker_for("video/mp4"), walker_for("video/mp4")
    walker.feed(data)
    for at in range(len(data)):
        slow.feed(data[at : at + 1])
    found = walker.finish(len(data))
    assert slow.finish(len(data)) == found
    return found


def described(track_id: int, units_a_second: int, version: int = 0) -> bytes:
    start = bytes([version, 0, 0, 0]) + bytes(16 if version else 8)
    tkhd = box(b"tkhd", start, u32(track_id), bytes(60))
    return box(b"trak", tkhd, box(b"mdia", box(b"mdhd", start, u32(units_a_second), bytes(12))))


def mvex(duration: int, track_id: int = 1, sample_units: int = 0) -> bytes:
    trex = box(b"trex", u32(0, track_id, 1, sample_units, 0, 0))
    return box(b"mvex", box(b"mehd", u32(0, duration)), trex)


def timed(at_units: int, run: bytes | None = None, track_id: int = 1, default: int | None = None) -> bytes:
    """A fragment of 2,000 units, in the track's own time, as most writers tell it."""
    tfhd = box(b"tfhd", u32(0x2_0000 | (0xA if default else 0), track_id), u32(1, default) if default else b"")
    run = run or box(b"trun", u32(0x301, 2, 8, 1500, 50, 500, 50))
    return box(b"moof", box(b"traf", tfhd, box(b"tfdt", u32(1 << 24), u64(at_units)), run)) + MDAT


MDAT = box(b"mdat", bytes(100))
TIMED = FTYP + moov(mvex(4000), described(1, 1000))
FRAGMENTED = FTYP + moov(box(b"mvex"))
WHOLE = {
    "moov last": FTYP + MDAT + moov(track(stco(24))),
    "no ftyp": box(b"wide") + MDAT + moov(track(stco(24))),
    "64-bit sizes": FTYP + large(b"mdat", 116, bytes(100)) + moov(track(co64(40))),
    "mdat to the end": FTYP + moov(track(stco(200))) + u32(0) + b"mdat" + bytes(200),
    "moov to the end": FTYP + MDAT + u32(0) + moov(track(stco(24)))[4:],
    "free, skip and uuid": FTYP + box(b"free", b"x") + MDAT + moov() + box(b"skip") + box(b"uuid", bytes(16)),
    "zeros behind": FTYP + MDAT + moov() + bytes(1000),
    "a few zeros behind": FTYP + MDAT + moov() + bytes(3),
    "garbage behind": FTYP + MDAT + moov() + b"TAG" + b"a title" * 18,
    "a short piece of garbage behind": FTYP + MDAT + moov() + b"\xff\0\0",
    "a cut free": FTYP + MDAT + moov() + box(b"free", bytes(100))[:50],
    "QuickTime's 4 zeros end a container": FTYP + box(b"moov", mvhd(), box(b"udta", u32(0)), u32(0)) + MDAT,
    "a box that overruns its parent": FTYP + box(b"moov", mvhd(), box(b"trak", u32(900) + b"mdia")) + MDAT,
    "a box of 3 bytes": FTYP + box(b"moov", mvhd(), u32(3) + b"trak" + bytes(40)) + MDAT,
    "a 64-bit size without room": FTYP + box(b"moov", mvhd(), u32(1) + b"trak" + bytes(3)) + MDAT,
    "a table that counts too much": FTYP + moov(track(box(b"stco", u32(0, 2**32 - 1, 24)))) + MDAT,
    "samples in another file": FTYP + moov(track(stco(10**6), ELSEWHERE)) + MDAT,
    "an image": FTYP + box(b"meta", bytes(50)) + MDAT,
    "fragments": FRAGMENTED + fragment(76) + MDAT + fragment(76) + MDAT,
    "a fragment without samples": FRAGMENTED + box(b"moof", box(b"traf", box(b"tfhd", u32(0, 1)))),
    "a base elsewhere": FRAGMENTED + fragment(76, 1, u64(10**9)) + MDAT,
    "a run that tells no offset": FRAGMENTED + box(b"moof", box(b"traf", box(b"trun", u32(0, 1)))),
    "a second track's base is not known": FRAGMENTED
    + box(b"moof", box(b"traf"), box(b"traf", box(b"tfhd", u32(0, 2)), box(b"trun", u32(1, 1, 900)))),
    "an index to the end": FRAGMENTED + fragment(76) + MDAT + u32(0) + sidx(100, 8)[4:],
    "a data reference of 3 bytes": FTYP
    + moov(box(b"trak", box(b"mdia", box(b"minf", box(b"dinf", box(b"dref", u32(0, 1, 3), bytes(12)))))))
    + MDAT,
    "an index": FRAGMENTED + sidx(52, 108) + fragment(76) + MDAT,
    "fragments to the told end": TIMED + timed(0) + timed(2000),
    "fragments almost to it": TIMED + timed(0) + timed(1100),
    "fragments of another clock": TIMED + timed(10**9) + timed(10**9 + 2000),
    "a fragment that does not say when": TIMED + fragment(76) + MDAT,
    "a fragment of a track that is not described": TIMED + timed(0, track_id=9),
    "more tracks than anybody has": FTYP
    + moov(mvex(2000), *(described(track_id, 1000) for track_id in range(1, 90)))
    + timed(0, track_id=80),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_nothing_contradicts(data):
    assert judge(data).incomplete is None


UNPLAYABLE = {
    "before moov": (FTYP + MDAT, "the file has no moov box"),
    "before moov, and filled with zeros": (FTYP + MDAT + bytes(5000), "the file has no moov box"),
    "before the first fragment": (FRAGMENTED, "a moov box that tells of fragments, and none of them"),
}


@pytest.mark.parametrize(("data", "reason"), UNPLAYABLE.values(), ids=UNPLAYABLE)
def test_a_file_without_anything_to_play_is_incomplete_though_all_there(data, reason):
    found = judge(data)
    assert reason in found.incomplete
    assert not found.is_cut


RUN = box(b"trun", u32(1, 3, 8))
END = len(FTYP) + len(moov(track(stco(0))))
CUT = {
    "behind a container that ends in zeros": (
        FTYP + box(b"moov", mvhd(), u32(0, 0)) + MDAT[:-1],
        "the mdat box at byte",
    ),
    "mdat": (FTYP + moov() + MDAT[:-1], "the mdat box at byte 132 says it ends at byte 240, the file ends at byte 239"),
    "a huge mdat": (FTYP + moov() + large(b"mdat", 2**63), "the mdat box at byte 132 says"),
    "moov": (FTYP + MDAT + moov()[:-1], "the moov box at byte 124 says"),
    "a box in an endless moov": (FTYP + MDAT + u32(0) + moov(track(stco(24)))[4:-2], "the trak box at byte 240 says"),
    "a header": (FTYP + moov() + MDAT + b"\0\0\4\0moo", "within the header of a box"),
    "a 64-bit header": (FTYP + moov() + large(b"mdat", 900)[:12], "within the header of a box"),
    "before mdat": (FTYP + moov(track(stco(END + 8))), f"the sample table points to byte {END + 8}, the file ends at"),
    "within mdat's header": (FTYP + moov(track(stco(END + 8))) + MDAT[:4], "the sample table points to"),
    "mdat to the end": (FTYP + moov(track(stco(24, 9000)), track(stco(24))) + u32(0) + b"mdat", "points to byte 9,000"),
    "64-bit offsets": (FTYP + moov(track(co64(24, 2**63))) + MDAT, "the sample table points to byte 9,223,"),
    "a long table": (FTYP + moov(track(stco(*[24] * 3000, 10**6, *[24] * 3000))) + MDAT, "points to byte 1,000,000"),
    "one track elsewhere": (FTYP + moov(track(stco(1), ELSEWHERE), track(stco(9000))) + MDAT, "points to byte 9,000"),
    "moof": (FRAGMENTED + fragment(76) + MDAT + fragment(76)[:-1], "the moof box at byte"),
    "between moof and mdat": (FRAGMENTED + fragment(76), "the movie fragment points to byte"),
    "behind moof, the older way": (FRAGMENTED + fragment(76, 0), "the movie fragment points to byte"),
    "behind moof, base given": (
        FRAGMENTED + fragment(84, 1, u64(len(FRAGMENTED))),
        "the movie fragment points to byte",
    ),
    "before an indexed fragment": (FRAGMENTED + sidx(108, 9) + MDAT, "the segment index points to byte"),
    "a 64-bit index": (FRAGMENTED + sidx(108, version=1, first=1) + MDAT, "the segment index points to byte"),
    "before the last fragment": (TIMED + timed(0), "the movie says it lasts 4.0 s, its last fragment ends at 2.0 s"),
    "with a 64-bit header": (FTYP + moov(mvex(9000), described(1, 500, 1)) + timed(0), "its last fragment ends at 4.0"),
    "samples as long as the fragment says": (TIMED + timed(0, RUN, default=300), "its last fragment ends at 0.9 s"),
    "samples as long as the movie says": (
        FTYP + moov(mvex(4000, 1, 200), described(1, 1000)) + timed(0, RUN),
        "its last fragment ends at 0.6 s",
    ),
    "a long run": (TIMED + timed(0, box(b"trun", u32(0xF04, 999, 0, *[1, 2, 3, 4] * 999))), "ends at 1.0 s"),
    "a run that counts too much": (TIMED + timed(0, box(b"trun", u32(0x100, 2**31, 7, 7))), "ends at 0.0 s"),
}


@pytest.mark.parametrize(("data", "problem"), CUT.values(), ids=CUT)
def test_a_cut_is_caught(data, problem):
    found = judge(data)
    assert problem in found.incomplete
    assert found.is_cut


DURATIONS = [
    (box(b"moov", mvhd(5500)), 5.5),
    (box(b"moov", mvhd(2**40, 1)), 2**40 / 1000),
    (box(b"moov", mvhd(2**32 - 1)), None),
    (box(b"moov", mvhd(2**64 - 1, 1)), None),
    (box(b"moov", mvhd(0)), None),
    (box(b"moov", box(b"mvhd", u32(0, 0, 0, 0, 9))), None),  # a time scale of 0
    (box(b"moov", box(b"mvhd", u32(0, 0))), None),
    (box(b"moov", mvhd(900), box(b"mvex")), None),
    (box(b"moov", mvhd(900), box(b"mvex", box(b"mehd", u32(0, 7000)))), 7.0),
    (box(b"moov", box(b"mvex", box(b"mehd", u32(1 << 24), u64(7000))), mvhd(0)), 7.0),
]


@pytest.mark.parametrize(("movie", "duration_s"), DURATIONS)
def test_duration(movie, duration_s):
    assert judge(FTYP + movie + fragment(76) + MDAT) == Structure(duration_s=duration_s, incomplete=None)
