"""A small playable MP4: one H.264 key frame of raw macroblocks, shown for the recording's duration."""

import struct

MACROBLOCKS_WIDE = 4
MACROBLOCKS_HIGH = 3
WIDTH = MACROBLOCKS_WIDE * 16
HEIGHT = MACROBLOCKS_HIGH * 16
TIMESCALE = 1000
BRAND = b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41"
UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class Bits:
    """Writes H.264 syntax elements."""

    def __init__(self) -> None:
        self._bits = ""

    def u(self, width: int, value: int) -> "Bits":
        self._bits += f"{value:0{width}b}"
        return self

    def ue(self, value: int) -> "Bits":
        code = f"{value + 1:b}"
        self._bits += "0" * (len(code) - 1) + code
        return self

    def align(self) -> "Bits":
        self._bits += "0" * (-len(self._bits) % 8)
        return self

    def raw(self, data: bytes) -> "Bits":
        self._bits += "".join(f"{byte:08b}" for byte in data)
        return self

    def rbsp(self) -> bytes:
        self.u(1, 1).align()
        return int(self._bits, 2).to_bytes(len(self._bits) // 8, "big")


def _sequence_parameters() -> bytes:
    bits = Bits().u(8, 66).u(8, 0xC0).u(8, 10).ue(0)  # constrained baseline, level 1.0
    bits.ue(0).ue(2).ue(1).u(1, 0)  # frame_num of 4 bits, order as decoded, one reference frame
    bits.ue(MACROBLOCKS_WIDE - 1).ue(MACROBLOCKS_HIGH - 1)
    bits.u(1, 1).u(1, 1).u(1, 0).u(1, 0)  # frames only, 8x8 inference, no cropping, no VUI
    return b"\x67" + bits.rbsp()


def _picture_parameters() -> bytes:
    bits = Bits().ue(0).ue(0).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0)
    bits.ue(0).ue(0).ue(0).u(1, 1).u(1, 0).u(1, 0)  # quantisers of no effect here; deblocking is controlled
    return b"\x68" + bits.rbsp()


def _key_frame(colour: bytes) -> bytes:
    """Samples stay above 15, so no start code has to be escaped."""
    luma, blue, red = (16 + byte % 220 for byte in colour[:3])
    bits = Bits().ue(0).ue(7).ue(0).u(4, 0).ue(0).u(1, 0).u(1, 0).ue(0).ue(1)
    for number in range(MACROBLOCKS_WIDE * MACROBLOCKS_HIGH):
        shade = 16 + (luma + 9 * number) % 220
        bits.ue(25).align().raw(bytes([shade]) * 256 + bytes([blue]) * 64 + bytes([red]) * 64)
    nal = b"\x65" + bits.rbsp()
    return struct.pack(">I", len(nal)) + nal


def box(kind: bytes, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


def _sample_entry() -> bytes:
    sps, pps = _sequence_parameters(), _picture_parameters()
    configuration = box(
        b"avcC",
        bytes([1, *sps[1:4], 0xFF, 0xE1]),
        struct.pack(">H", len(sps)) + sps,
        b"\x01" + struct.pack(">H", len(pps)) + pps,
    )
    head = struct.pack(">6xH16xHHIIIH32xHh", 1, WIDTH, HEIGHT, 0x480000, 0x480000, 0, 1, 24, -1)
    return box(b"avc1", head, configuration)


def _sample_table(length: int, duration: int, offset: int) -> bytes:
    one = struct.pack(">I", 1)
    return box(
        b"stbl",
        _full(b"stsd", one, _sample_entry()),
        _full(b"stts", one, struct.pack(">II", 1, duration)),
        _full(b"stsc", one, struct.pack(">III", 1, 1, 1)),
        _full(b"stsz", struct.pack(">II", length, 1)),
        _full(b"stco", one, struct.pack(">I", offset)),
    )


def _movie(length: int, duration: int, offset: int) -> bytes:
    times = struct.pack(">IIII", 0, 0, TIMESCALE, duration)
    header = _full(b"mvhd", times, struct.pack(">IH10x", 0x10000, 0x100), UNITY_MATRIX, bytes(24), struct.pack(">I", 2))
    track_header = _full(
        b"tkhd",
        struct.pack(">IIIII", 0, 0, 1, 0, duration) + bytes(16),
        UNITY_MATRIX,
        struct.pack(">II", WIDTH << 16, HEIGHT << 16),
        flags=7,
    )
    data_reference = box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    media = box(
        b"mdia",
        _full(b"mdhd", times, struct.pack(">HH", 0x55C4, 0)),
        _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"video\0"),
        box(
            b"minf",
            _full(b"vmhd", bytes(8), flags=1),
            data_reference,
            _sample_table(length, duration, offset),
        ),
    )
    return box(b"moov", header, box(b"trak", track_header, media))


def file_type() -> bytes:
    return box(b"ftyp", BRAND)


def small_mp4(label: bytes, colour: bytes, duration_s: float, padding: int = 0) -> bytes:
    """`label` makes the bytes one recording's own; `padding` lengthens the file by as much."""
    frame = _key_frame(colour)
    duration = max(1, min(round(duration_s * TIMESCALE), 0xFFFF_FFFF))
    start = file_type() + box(b"free", label, bytes(padding))
    offset = len(start) + len(_movie(len(frame), duration, 0)) + 8
    return start + _movie(len(frame), duration, offset) + box(b"mdat", frame)
