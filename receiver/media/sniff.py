"""What a file is, from its first bytes. A body that is text is an error page, whatever its headers say."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from receiver.errors import SourceNotMediaError

SNIFF_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Media:
    """A content type and the extension of the object's key."""

    content_type: str
    extension: str


UNKNOWN = Media("application/octet-stream", ".bin")
_FTYP = {
    b"qt  ": Media("video/quicktime", ".mov"),
    b"M4A ": Media("audio/mp4", ".m4a"),
    b"M4B ": Media("audio/mp4", ".m4a"),
}
_MP4 = Media("video/mp4", ".mp4")
_WEBM = Media("video/webm", ".webm")
_MATROSKA = Media("video/x-matroska", ".mkv")
_OGG_AUDIO = Media("audio/ogg", ".ogg")
_OGG_VIDEO = Media("video/ogg", ".ogv")
_RIFF = {b"WAVE": Media("audio/wav", ".wav"), b"AVI ": Media("video/x-msvideo", ".avi")}
_FLV = Media("video/x-flv", ".flv")
_BOMS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_MARKUP = re.compile(rb"<(\?xml|!doctype|!--|[a-z][a-z0-9:]*[\s/>])", re.IGNORECASE)
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_MPEG_TS_PACKET = 188


def sniff(head: bytes) -> Media:
    """Name the media type of a file that begins with `head`; text of any kind is a `SourceNotMediaError`."""
    if (text := _text(head)) is not None:
        raise SourceNotMediaError(f"the body looks like {_describe(text)}, not like a recording")
    return _container(head) or _elementary(head) or UNKNOWN


def _container(head: bytes) -> Media | None:
    kind, word = head[:4], head[4:8]
    if word == b"ftyp":
        return _FTYP.get(head[8:12], _MP4)
    if word in {b"moov", b"mdat", b"wide"}:  # QuickTime files older than ftyp
        return _FTYP[b"qt  "]
    if kind == b"\x1a\x45\xdf\xa3":
        return _WEBM if b"webm" in head[:64] else _MATROSKA
    if kind == b"OggS":
        return _OGG_VIDEO if b"theora" in head[:128] else _OGG_AUDIO
    if kind == b"RIFF":
        return _RIFF.get(head[8:12])
    return _FLV if kind == b"FLV\x01" else None


def _elementary(head: bytes) -> Media | None:
    """Know streams without a container by their frame or packet headers."""
    if head[:3] == b"ID3":
        return Media("audio/mpeg", ".mp3")
    packets = range(0, min(len(head), 5 * _MPEG_TS_PACKET), _MPEG_TS_PACKET)
    if len(packets) > 1 and all(head[at] == 0x47 for at in packets):
        return Media("video/mp2t", ".ts")
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return Media("audio/aac", ".aac")
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version != 1 and layer != 0 and bitrate != 15 and rate != 3:
        return Media("audio/mpeg", ".mp3")
    return None


def _text(head: bytes) -> str | None:
    """Return the head as text if it is text: by a byte order mark, as markup, or as UTF-8 that a person could read."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            text = codecs.getincrementaldecoder(encoding)("replace").decode(head[len(bom) :])
            return None if _NOT_IN_TEXT.search(text) else text
    if _MARKUP.match(head.lstrip()):
        return head.decode("latin-1")
    if head[:2] in {b"<\0", b"\0<"}:
        return head.replace(b"\0", b"").decode("latin-1")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # a character cut at the end is no error
    except UnicodeDecodeError:
        return None
    return None if _NOT_IN_TEXT.search(text) or not text else text


def _describe(text: str) -> str:
    start = text.lstrip().lower()
    if start.startswith("<?xml"):
        return "XML"
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<!--")):
        return "HTML"
    if start.startswith("<"):
        return "XML or HTML"
    return "JSON" if start.startswith(("{", "[")) else "plain text"
