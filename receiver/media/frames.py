"""Headers of the frames and packets that need no container: MPEG audio, ADTS, ID3 tags, transport packets, H.26x."""

from __future__ import annotations

ADTS_HEADER_BYTES = 7
MPEG_AUDIO_HEADER_BYTES = 4
TAG_HEADER_BYTES = 10
_TAG_FOOTER_FLAG = 0x10
_SYNC = 0x47
# ISO/IEC 13818-1, 2.4.3.2; with a time code of 4 bytes before each (M2TS); with a parity of 16 bytes behind each (DVB)
_TRANSPORT_LAYOUTS = ((188, 0), (192, 4), (204, 0))
_MOST_PACKETS = 5
# ISO/IEC 11172-3, 2.4.2.3 and 13818-3: by MPEG-1 or not, and by layer; the first is free format, of no told length
_KBITS_S = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # by version: MPEG-1, MPEG-2, MPEG-2.5
_RESERVED_VERSION = 1
# The first unit of a stream: parameters or a delimiter (ISO/IEC 14496-10, table 7-1; 23008-2, table 7-1)
_H264_FIRST_UNITS = frozenset({7, 9})
_H265_FIRST_UNITS = frozenset({32, 33, 35})


def tag_bytes(head: bytes) -> int | None:
    """Return the length of the ID3v2 tag (id3.org, 2.4.0, 3.1) that the head begins with, None if it does not."""
    if len(head) < TAG_HEADER_BYTES or head[:3] != b"ID3" or head[3] == 0xFF or any(byte & 0x80 for byte in head[6:10]):
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return TAG_HEADER_BYTES + size + (TAG_HEADER_BYTES if head[5] & _TAG_FOOTER_FLAG else 0)


def is_adts(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def adts_frame_bytes(header: bytes) -> int | None:
    """Return the length of a frame (ISO/IEC 13818-7, 6.2) by its 7-byte header, None if it is none."""
    if not is_adts(header):
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length >= ADTS_HEADER_BYTES else None


def is_mpeg_audio(head: bytes) -> bool:
    if len(head) < MPEG_AUDIO_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != _RESERVED_VERSION and layer != 0 and bitrate != 15 and rate != 3


def mpeg_audio_frame_bytes(header: bytes) -> int | None:
    """Return the length of a frame by its 4-byte header, None if it is none or does not tell (free format)."""
    if not is_mpeg_audio(header):
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bits_s = 1000 * _KBITS_S[version == 3, layer][header[2] >> 4]
    rate_hz = _RATES_HZ[header[2] >> 2 & 3] // _RATE_DIVISORS[version]
    padding = header[2] >> 1 & 1
    if not bits_s:
        return None
    if layer == 1:
        return (12 * bits_s // rate_hz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_s // rate_hz + padding


def transport_packet_bytes(head: bytes) -> int | None:
    """Return the length of the packets of an MPEG transport stream, None if the head does not begin with two of one."""
    for length, sync_at in _TRANSPORT_LAYOUTS:
        packets = range(sync_at, min(len(head), _MOST_PACKETS * length), length)
        if len(packets) > 1 and all(head[at] == _SYNC for at in packets):
            return length
    return None


def is_program_stream(head: bytes) -> bool:
    """Say whether the head begins with a pack, or with a video sequence alone (ISO/IEC 13818-1 and -2)."""
    return head.startswith((b"\0\0\x01\xba", b"\0\0\x01\xb3"))


def is_h264(head: bytes) -> bool:
    unit = _first_unit(head)
    return len(unit) > 1 and not unit[0] & 0x80 and unit[0] & 0x1F in _H264_FIRST_UNITS


def is_h265(head: bytes) -> bool:
    unit = _first_unit(head)
    return len(unit) > 1 and not unit[0] & 0x81 and unit[0] >> 1 in _H265_FIRST_UNITS and unit[1] == 1


def _first_unit(head: bytes) -> bytes:
    """Return the header of the unit that stands behind the start code of a raw stream (Annex B of H.264 and H.265)."""
    start, _, unit = head[:6].partition(b"\0\0\x01")
    return b"" if start.strip(b"\0") else unit
