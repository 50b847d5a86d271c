"""What a file is, from its first bytes. What is certainly no medium is refused; what is unknown is kept as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from receiver.errors import SourceNotMediaError
from receiver.media.frames import (
    is_adts,
    is_h264,
    is_h265,
    is_mpeg_audio,
    is_program_stream,
    tag_bytes,
    transport_packet_bytes,
)
from receiver.media.refused import filler, refusal
from receiver.media.text import disguised_text, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

SNIFF_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Media:
    """A content type and the extension of the object's key."""

    content_type: str
    extension: str


UNKNOWN = Media("application/octet-stream", ".bin")
_MP4 = Media("video/mp4", ".mp4")
_M4A = Media("audio/mp4", ".m4a")
_QUICKTIME = Media("video/quicktime", ".mov")
_3GP = Media("video/3gpp", ".3gp")
_WEBM = Media("video/webm", ".webm")
_MATROSKA = Media("video/x-matroska", ".mkv")
_OGG_AUDIO = Media("audio/ogg", ".ogg")
_OGG_VIDEO = Media("video/ogg", ".ogv")
_WAV = Media("audio/wav", ".wav")
_AVI = Media("video/x-msvideo", ".avi")
_AIFF = Media("audio/aiff", ".aiff")
_FLAC = Media("audio/flac", ".flac")
_MP3 = Media("audio/mpeg", ".mp3")
_AAC = Media("audio/aac", ".aac")
_WMA = Media("audio/x-ms-wma", ".wma")
_WMV = Media("video/x-ms-wmv", ".wmv")

# ISO/IEC 14496-12, 4.3: the major brand; by its first letters
_BRANDS = ((b"qt", _QUICKTIME), (b"M4A", _M4A), (b"M4B", _M4A), (b"3g2", Media("video/3gpp2", ".3g2")), (b"3gp", _3GP))
_PICTURE_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"})
_SEGMENT_BOXES = frozenset({b"styp", b"moof", b"sidx", b"emsg", b"prft"})
# Older QuickTime files have no ftyp, and begin with any of these.
_FIRST_BOXES = _SEGMENT_BOXES | {
    b"ftyp",
    b"moov",
    b"mdat",
    b"wide",
    b"free",
    b"skip",
    b"junk",
    b"pnot",
    b"PICT",
    b"uuid",
}
_BOX = Struct(">I4s")
_FORMS = {
    (b"RIFF", b"WAVE"): _WAV,
    (b"RIFX", b"WAVE"): _WAV,
    (b"RF64", b"WAVE"): _WAV,
    (b"BW64", b"WAVE"): _WAV,
    (b"RIFF", b"AVI "): _AVI,
    (b"FORM", b"AIFF"): _AIFF,
    (b"FORM", b"AIFC"): _AIFF,
}
_BEGINNINGS = (
    (b"FLV\x01", Media("video/x-flv", ".flv")),
    (b"fLaC", _FLAC),
    (b"caff\0\x01", Media("audio/x-caf", ".caf")),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0", Media("audio/x-w64", ".w64")),
    (b"#!AMR-WB\n", Media("audio/amr-wb", ".awb")),
    (b"#!AMR\n", Media("audio/amr", ".amr")),
    (b".snd\0\0", Media("audio/basic", ".au")),
    (b"DKIF\0\0", Media("video/x-ivf", ".ivf")),  # what SFUs dump of VP8, VP9 and AV1
    (b"MJR00001", Media("application/x-mjr", ".mjr")),  # Janus: RTP packets as they came
    (b"MJR00002", Media("application/x-mjr", ".mjr")),
    (b"MEETECHO", Media("application/x-mjr", ".mjr")),
)
_STREAMS: tuple[tuple[Callable[[bytes], object], Media], ...] = (
    (transport_packet_bytes, Media("video/mp2t", ".ts")),
    (is_program_stream, Media("video/mpeg", ".mpg")),
    (is_h264, Media("video/H264", ".h264")),
    (is_h265, Media("video/H265", ".h265")),
    (is_adts, _AAC),
    (is_mpeg_audio, _MP3),
)
_EBML = b"\x1a\x45\xdf\xa3"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_OGG_VIDEO_PACKETS = re.compile(rb"\x80theora|\x01video\0|OVP80|BBCD\0")


def sniff(head: bytes) -> Media:
    """Name the media type of a file that begins with `head`, of `SNIFF_BYTES` or the whole file.

    What is no recording in any reading is a `SourceNotMediaError`: text of any kind, zeros, documents, pictures,
    programs, archives and compressed pages. A page compressed with Brotli has no mark of its own, and so is unknown.
    """
    if refused := filler(head) or plain_text(head):
        raise _not_media(refused)
    if container := _container(head):
        return container
    if refused := refusal(head):
        raise _not_media(refused)
    if stream := _elementary(head):
        return stream
    if refused := disguised_text(head):
        raise _not_media(refused)
    return UNKNOWN


def _not_media(other: str) -> SourceNotMediaError:
    return SourceNotMediaError(f"the body looks like {other}, not like a recording")


def _container(head: bytes) -> Media | None:
    for beginning, media in _BEGINNINGS:
        if head.startswith(beginning):
            return media
    if form := _FORMS.get((head[:4], head[8:12])):
        return form
    if head.startswith(_EBML):
        return _WEBM if b"webm" in head[: _ebml_header_end(head)] else _MATROSKA
    if head.startswith(b"OggS\0"):
        return _OGG_VIDEO if _OGG_VIDEO_PACKETS.search(head) else _OGG_AUDIO
    if head.startswith(_ASF):
        return _WMV if _ASF_VIDEO in head else _WMA
    return _boxes(head) if head[4:8] in _FIRST_BOXES else None


def _ebml_header_end(head: bytes) -> int:
    """Return where the EBML header (RFC 8794, 11.2) ends, which holds the DocType among others in any order."""
    size_bytes = 9 - head[4].bit_length() if len(head) > 4 else 9
    if size_bytes > 8:
        return len(head)
    size = int.from_bytes(head[4 : 4 + size_bytes]) & (1 << 7 * size_bytes) - 1
    return 4 + size_bytes + size


def _boxes(head: bytes) -> Media | None:
    """Tell the kinds of ISO/IEC 14496-12 by the brand, which may stand behind boxes that mean nothing."""
    at = 0
    while at + _BOX.size <= len(head):
        length, kind = _BOX.unpack_from(head, at)
        if kind == b"ftyp":
            return _brand(head[at + 8 : at + 12])
        if length == 1:
            length = int.from_bytes(head[at + 8 : at + 16])
        elif length == 0:
            break
        if length < _BOX.size:
            return None if at == 0 else _QUICKTIME
        at += length
    return _MP4 if head[4:8] in _SEGMENT_BOXES else _QUICKTIME


def _brand(brand: bytes) -> Media:
    if brand in _PICTURE_BRANDS:
        raise _not_media("a HEIF or AVIF picture")
    return next((media for letters, media in _BRANDS if brand.startswith(letters)), _MP4)


def _elementary(head: bytes) -> Media | None:
    """Know streams without a container by their frame or packet headers."""
    if (tag := tag_bytes(head)) is not None:  # an ID3 tag stands before any kind of audio
        behind = head[tag:]
        return _FLAC if behind.startswith(b"fLaC") else _AAC if is_adts(behind) else _MP3
    return next((media for is_one, media in _STREAMS if is_one(head)), None)
