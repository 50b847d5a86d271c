"""The containers beside MP4 and Matroska: no whole file is called incomplete, 99 of 100 cuts are."""

from __future__ import annotations

import hashlib
import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import SourceNotMediaError
from receiver.media import _READERS, Structure, walker_for
from receiver.media.sniff import SNIFF_BYTES, sniff
from receiver.media.walk import BLOCK_BYTES

DATA = Path(__file__).parent.parent / "data" / "containers"
CUTS = 1000
SOUND = b"".join(hashlib.sha512(bytes([number])).digest() for number in range(47))[:3001]
ODD_SIZES = st.lists(st.integers(0, 700), max_size=30)


def chunk(kind: bytes, body: bytes, *, size: int | None = None, order: str = "<") -> bytes:
    return kind + struct.pack(order + "I", len(body) if size is None else size) + body + bytes(len(body) & 1)


def outer(kind: bytes, form: bytes, *chunks: bytes, size: int | None = None, order: str = "<") -> bytes:
    return chunk(kind, form + b"".join(chunks), size=size, order=order)


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8))
INFO = chunk(b"LIST", b"INFO" + chunk(b"ISFT", b"a recorder"))
COMM = chunk(b"COMM", struct.pack(">HIH10s", 1, len(SOUND), 8, b"\x40\x0b\xfa" + bytes(7)), order=">")


def wav() -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setparams((1, 2, 8000, 0, "NONE", ""))
            writer.writeframes(SOUND[:-1])
        return file.getvalue()


def rf64(kind: bytes = b"RF64") -> bytes:
    rest = FMT + chunk(b"data", SOUND, size=0xFFFF_FFFF)
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 40 + len(rest), len(SOUND), len(SOUND), 0))
    return outer(kind, b"WAVE", ds64, rest, size=0xFFFF_FFFF)


def caf(data_bytes: int | None = None, behind: bytes = b"") -> bytes:
    parts = [(b"desc", bytes(32), None), (b"data", bytes(4) + SOUND, data_bytes), (b"free", behind, None)]
    return b"caff\0\1\0\0" + b"".join(
        kind + struct.pack(">q", len(body) if size is None else size) + body for kind, body, size in parts if body
    )


W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def w64(data_bytes: int | None = None) -> bytes:
    parts = [(b"fmt ", FMT[8:], None), (b"data", SOUND, data_bytes)]
    chunks = b"".join(
        kind + W64_END + struct.pack("<Q", 24 + len(body) if size is None else size) + body + bytes(-len(body) % 8)
        for kind, body, size in parts
    )
    head = bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<Q", 40 + len(chunks))
    return head + b"wave" + W64_END + chunks


def au(data_bytes: int) -> bytes:
    return b".snd" + struct.pack(">IIIII", 24, data_bytes, 2, 8000, 1) + SOUND


def page(packet: bytes, *, serial: int = 7, flags: int = 0, goes_on: bool = False) -> bytes:
    lacing = b"\xff" * (len(packet) // 255) + (b"" if goes_on else bytes([len(packet) % 255]))
    return b"OggS\0" + struct.pack("<BqIII", flags, 0, serial, 0, 0) + bytes([len(lacing)]) + lacing + packet


def live_ogg() -> bytes:
    """One page for each packet, and no end of stream, as Janus' own tool writes it."""
    return page(b"OpusHead" + bytes(11), flags=2) + b"".join(page(SOUND[at : at + 160]) for at in range(0, 3000, 160))


def flv_tag(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + bytes(7) + body + struct.pack(">I", 11 + len(body))


def live_flv() -> bytes:
    return b"FLV\1\5\0\0\0\x09" + bytes(4) + b"".join(flv_tag(9, SOUND[at:]) for at in range(0, 3000, 160))


def ivf() -> bytes:
    head = b"DKIF\0\0\x20\0VP80" + struct.pack("<HHIIII", 32, 32, 30, 1, 0, 0)
    return head + b"".join(struct.pack("<IQ", 3001 - at, at) + SOUND[at:] for at in range(0, 3000, 160))


def mjr(version: bytes, mark: bytes) -> bytes:
    records = [(version, b'{"t":"a","c":"opus"}'), *((mark, SOUND[at : at + 400]) for at in range(0, 3000, 400))]
    return b"".join(head + struct.pack(">H", len(body)) + body for head, body in records)


def packets(length: int, before: bytes = b"", behind: bytes = b"") -> bytes:
    return (before + b"\x47\x40\0\x10" + SOUND[:184] + behind) * (150_000 // length)


WHOLE = (
    {path.name: path.read_bytes() for path in sorted(DATA.iterdir())}
    | {
        "video.ts": (DATA / "video.ts").read_bytes() * 8,  # of less, the two packets by which it is known are too much
        "wav": wav(),
        "wav with more behind": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND), INFO),
        "big-endian wav": outer(
            b"RIFX", b"WAVE", chunk(b"fmt ", FMT[8:], order=">"), chunk(b"data", SOUND, order=">"), order=">"
        ),
        "rf64": rf64(),
        "bw64": rf64(b"BW64"),
        "aiff": outer(b"FORM", b"AIFF", COMM, chunk(b"SSND", bytes(8) + SOUND, order=">"), order=">"),
        "caf": caf(),
        "w64": w64(),
        "au": au(len(SOUND)),
        "two avi": outer(b"RIFF", b"AVI ", chunk(b"LIST", SOUND)) + outer(b"RIFF", b"AVIX", chunk(b"LIST", SOUND)),
        "two avi into a pipe": (DATA / "piped.avi").read_bytes() + bytes(1) + (DATA / "piped.avi").read_bytes(),
        "live ogg": live_ogg(),
        "live flv": live_flv(),
        "ivf": ivf(),
        "mjr": mjr(b"MJR00002", b"MEET\0\0\0\1"),
        "old mjr": mjr(b"MJR00001", b"MEETECHO"),
        "m2ts": packets(192, before=b"\0\0\0\1"),
        "ts with parity": packets(204, behind=bytes(16)),
    }
)
# Whole, and of no use for a cut: nobody can tell where they would have ended.
UNTOLD = {
    "wav into a pipe": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND, size=0xFFFF_FFFF), size=0xFFFF_FFFF),
    "wav of a killed writer": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND, size=0), size=36),
    "rf64 of a killed writer": outer(
        b"RF64", b"WAVE", chunk(b"ds64", bytes(28)), FMT, chunk(b"data", SOUND, size=0xFFFF_FFFF), size=0xFFFF_FFFF
    ),
    "caf into a pipe": caf(-1),
    "w64 into a pipe": w64(0x7FFF_FFFF_FFFF_FFFF),
    "au into a pipe": au(0xFFFF_FFFF),
}
ODD = {
    "wav without the byte that makes it even": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND))[:-1],
    "wav that forgets that byte within": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND)[:-1], INFO),
    "wav that counts its header": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND[:-1]), size=36 + 3000 + 8),
    "wav with zeros behind": wav() + bytes(8),
    "wav with a title behind": outer(b"RIFF", b"WAVE", FMT, chunk(b"data", SOUND)) + b"TAG" + b"a title" * 17,
    "caf with a title behind": caf() + b"TAG" + b"a title" * 17,
    "caf with more behind": caf(behind=bytes(99)),
    "ogg with zeros behind": live_ogg() + bytes(500),
    "ogg with a packet on two pages": page(SOUND[:510], goes_on=True) + page(SOUND[:99], flags=1),
    "flv of another stream behind": live_flv()[:-4] + bytes(4) + b"FLV\1\5" + bytes(99),
    "mp3 with a title behind": (DATA / "sound.mp3").read_bytes() + b"TAG" + bytes(125),
    "mp3 of two": (DATA / "sound.mp3").read_bytes() * 2,
    "flac with a title behind": (DATA / "sound.flac").read_bytes() + b"TAG" + bytes(125),
    "flac behind a tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + (DATA / "sound.flac").read_bytes(),
    "ts out of step": b"\x47" * 5 + packets(188)[5:70_000] + packets(188),
    "program stream with its end": (DATA / "video.mpg").read_bytes() + b"\0\0\1\xb9",
}
FILES = WHOLE | UNTOLD | ODD


def judge(data: bytes) -> Structure | None:
    """Judge it as a copy would; None if it is refused."""
    try:
        walker = walker_for(sniff(data[:SNIFF_BYTES]).content_type)
    except SourceNotMediaError:
        return None
    if walker is None:
        return Structure(duration_s=None, incomplete=None)
    walker.feed(data)
    return walker.finish(len(data))


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_no_whole_file_is_called_incomplete(data):
    assert walker_for(sniff(data[:SNIFF_BYTES]).content_type) is not None
    assert judge(data).incomplete is None


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_all_but_one_of_a_hundred_cuts_are_seen(data):
    cuts = range(1, len(data), max(1, len(data) // CUTS))
    unseen = [cut for cut in cuts if (found := judge(data[:cut])) and not found.incomplete]
    assert len(unseen) <= len(cuts) / 100, unseen


@pytest.mark.parametrize("missing_bytes", [1, 30, 50])
def test_a_cut_within_the_last_flac_frame_is_told_by_its_checksum(missing_bytes):
    assert "within a frame" in judge(WHOLE["sound.flac"][:-missing_bytes]).incomplete


@pytest.mark.parametrize("name", FILES)
def test_any_chunking_gives_the_same_result(name):
    content_type = sniff(FILES[name][:SNIFF_BYTES]).content_type
    for data in (FILES[name], FILES[name][:-1]):
        for chunk_bytes in (1, 7, 1000):
            feed_in_pieces(content_type, data, [chunk_bytes] * (len(data) // chunk_bytes))


@given(st.data())
def test_damage_never_raises(data):
    name = data.draw(st.sampled_from(sorted(FILES)))
    damaged = bytearray(FILES[name][: data.draw(st.integers(0, min(len(FILES[name]), 9000)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=8)):
        patch = data.draw(st.sampled_from([b"\0", b"\xff", b"\0\0\0\1", bytes(8), b"\xff" * 8, b"\x80\0\0\0"]))
        damaged[at : at + len(patch)] = patch
    feed_in_pieces(sniff(FILES[name][:SNIFF_BYTES]).content_type, bytes(damaged), data.draw(ODD_SIZES))


@given(st.sampled_from(sorted(_READERS)), st.binary(max_size=3000), ODD_SIZES)
def test_random_bytes_never_raise(content_type, data, sizes):
    feed_in_pieces(content_type, data, sizes)


def feed_in_pieces(content_type: str, data: bytes, sizes: list[int]) -> None:
    """Feed it in pieces and whole, which must not differ."""
    walker, whole = walker_for(content_type), walker_for(content_type)
    at = 0
    for size in sizes:
        walker.feed(data[at : at + size])
        at += size
        assert len(walker._held) <= BLOCK_BYTES
    walker.feed(data[at:])
    whole.feed(data)
    assert walker.finish(len(data)) == whole.finish(len(data))
