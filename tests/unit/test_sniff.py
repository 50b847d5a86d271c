from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import lzma
import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.errors import SourceNotMediaError
from receiver.media.sniff import UNKNOWN, sniff

EBML = b"\x1a\x45\xdf\xa3"
VOID = b"\xec\x40\x80" + bytes(128)
OGG = b"OggS\0\2" + bytes(22)
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(60)
ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
MEDIA = [
    (b"\0\0\0\x18ftypisom\0\0\2\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x1cftypiso5\0\0\2\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x18ftypM4A \0\0\0\0", ".m4a", "audio/mp4"),
    (b"\0\0\0\x14ftypqt  \0\0\2\0", ".mov", "video/quicktime"),
    (b"\0\0\0\x14ftyp3gp4\0\0\2\0", ".3gp", "video/3gpp"),
    (b"\0\0\0\x14ftyp3g2a\0\0\2\0", ".3g2", "video/3gpp2"),
    (b"\0\0\0\x18stypmsdh\0\0\0\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x0cfree\0\0\0\0" + b"\0\0\0\x18ftypisom", ".mp4", "video/mp4"),
    (b"\0\0\0\1skip\0\0\0\0\0\0\0\x10" + b"\0\0\0\x18ftypM4A ", ".m4a", "audio/mp4"),
    (b"\0\0\0\x08wide\0\0\0\0mdat", ".mov", "video/quicktime"),
    (b"\0\0\x04\0moov\0\0\0\x6cmvhd", ".mov", "video/quicktime"),
    (b"\0\0\0\0mdat\0\0\0\0", ".mov", "video/quicktime"),
    (b"\0\0\0\1mdat\0\0\0\1\0\0\0\0", ".mov", "video/quicktime"),
    (b"\0\x3c\0\x10mdat" + b"\0\xeb" * 99, ".mov", "video/quicktime"),  # "<" in UTF-16
    (b"\x3c\0\0\x10mdat" + b"\xeb\0" * 99, ".mov", "video/quicktime"),
    (b"<a /mdat" + bytes(99), ".mov", "video/quicktime"),
    (EBML + b"\x9f\x42\x86\x81\x01\x42\x82\x84webm", ".webm", "video/webm"),
    (EBML + b"\x40\x8a" + VOID + b"\x42\x82\x84webm", ".webm", "video/webm"),
    (EBML + b"\xa3\x42\x86\x81\x01\x42\x82\x88matroska", ".mkv", "video/x-matroska"),
    (EBML + b"\x8b\x42\x82\x88matroska" + bytes(9) + b"webm", ".mkv", "video/x-matroska"),
    (EBML, ".mkv", "video/x-matroska"),
    (OGG + b"\x01\x13OpusHead", ".ogg", "audio/ogg"),
    (OGG + b"\x01\x1e\x01vorbis", ".ogg", "audio/ogg"),
    (OGG + b"\x01\x2a\x80theora", ".ogv", "video/ogg"),
    (OGG + b"\x01\x13\x7fFLAC" + OGG + b"\x01\x1aOVP80", ".ogv", "video/ogg"),
    (ID3, ".mp3", "audio/mpeg"),
    (b"ID3\x04\0\0\0\x0f\x7f\x7f", ".mp3", "audio/mpeg"),  # a tag with a picture: longer than the head
    (ID3 + b"\xff\xf1\x50\x80\x02\x1f\xfc", ".aac", "audio/aac"),
    (ID3 + b"\xff\xfb\x90\x64\0\0\0\0", ".mp3", "audio/mpeg"),
    (ID3 + b"fLaC\0\0\0\x22", ".flac", "audio/flac"),
    (b"\xff\xfb\x90\x64\0\0\0\0", ".mp3", "audio/mpeg"),
    (b"\xff\xf1\x50\x80\x02\x1f\xfc", ".aac", "audio/aac"),
    (b"fLaC\0\0\0\x22", ".flac", "audio/flac"),
    (b"RIFF\x24\0\0\0WAVEfmt ", ".wav", "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0", ".wav", "audio/wav"),
    (b"BW64\xff\xff\xff\xffWAVEds64\x1c\0\0\0", ".wav", "audio/wav"),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0", ".w64", "audio/x-w64"),
    (b"FORM\0\0\0\x24AIFFCOMM", ".aiff", "audio/aiff"),
    (b"FORM\0\0\0\x24AIFCFVER", ".aiff", "audio/aiff"),
    (b"caff\0\1\0\0desc", ".caf", "audio/x-caf"),
    (b".snd\0\0\0\x18", ".au", "audio/basic"),
    (b"RIFF\x24\0\0\0AVI LIST", ".avi", "video/x-msvideo"),
    (b"FLV\x01\x05\0\0\0\x09", ".flv", "video/x-flv"),
    (ASF + bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b"), ".wmv", "video/x-ms-wmv"),
    (ASF + bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b"), ".wma", "audio/x-ms-wma"),
    ((b"\x47\x40\0\x10" + bytes(184)) * 5, ".ts", "video/mp2t"),
    ((b"\0\0\0\1\x47\x40\0\x10" + bytes(184)) * 5, ".ts", "video/mp2t"),  # M2TS
    ((b"\x47\x40\0\x10" + bytes(200)) * 5, ".ts", "video/mp2t"),
    (b"\0\0\1\xba\x44\0\4\0", ".mpg", "video/mpeg"),
    (b"\0\0\1\xb3\x14\0\xf0\x13", ".mpg", "video/mpeg"),
    (b"#!AMR\n\x3c\x91\x17\x16", ".amr", "audio/amr"),
    (b"#!AMR-WB\n\x04\x10", ".awb", "audio/amr-wb"),
    (b"DKIF\0\0\x20\0VP80", ".ivf", "video/x-ivf"),
    (b'MJR00002\0\x40{"t":"a"', ".mjr", "application/x-mjr"),
    (b"\0\0\0\1\x67\x42\xc0\x1f", ".h264", "video/H264"),
    (b"\0\0\1\x09\xf0\0\0\0\1\x67", ".h264", "video/H264"),
    (b"\0\0\0\1\x40\1\x0c\1", ".h265", "video/H265"),
]


@pytest.mark.parametrize(
    ("head", "extension", "content_type"), MEDIA, ids=[f"{number}{m[1]}" for number, m in enumerate(MEDIA)]
)
def test_media_are_known_by_their_first_bytes(head, extension, content_type):
    media = sniff(head)
    assert (media.extension, media.content_type) == (extension, content_type)


XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
TEXTS = [
    (XML.encode(), "XML"),
    (codecs.BOM_UTF8 + XML.encode(), "XML"),
    (codecs.BOM_UTF16_LE + XML.encode("utf-16-le"), "XML"),
    (codecs.BOM_UTF16_BE + XML.encode("utf-16-be"), "XML"),
    (codecs.BOM_UTF32_LE + XML.encode("utf-32-le"), "XML"),
    (XML.encode("utf-16-le"), "XML"),
    (XML.encode("utf-16-be"), "XML"),
    (XML.encode("utf-32-le"), "XML"),
    (XML.encode("utf-32-be"), "XML"),
    ("Das ging daneben.".encode("utf-16-le"), "plain text"),
    ("\ufeff{}".encode("utf-16-be") + b"\0", "JSON"),  # cut within a character
    ("Ошибка: файл не найден".encode("utf-16-be"), "plain text"),
    ("録画が見つかりません。\u200b".encode("utf-16-le"), "plain text"),
    ("Ошибка: файл не найден".encode("koi8-r"), "plain text"),
    ("録画が見つかりません。".encode("shift-jis"), "plain text"),
    ("找不到录像".encode("gb18030"), "plain text"),
    ("Die Datei fehlt für immer.".encode("latin-1"), "plain text"),
    ("“Not found”…".encode("windows-1252"), "plain text"),
    (b"\xe9", "plain text"),
    (b"Pay free of charge", "plain text"),  # "free" where a box would have its name
    (b"<html>\0<body>", "HTML"),
    (b"  \r\n<!DOCTYPE html><html>", "HTML"),
    (b"<HTML><title>Se\xf1al</title>", "HTML"),  # Latin-1, so not UTF-8
    (b"<Error><Code>NoSuchKey</Code></Error>", "XML or HTML"),
    (b'{"errors": ["Token is required"]}', "JSON"),
    (b"[1,2]", "JSON"),
    (b"Request has expired", "plain text"),
    (b"\n\n\n", "plain text"),
    ("é".encode() * 511 + b"\xc3", "plain text"),  # cut within a character
]


@pytest.mark.parametrize(("head", "kind"), TEXTS)
def test_text_is_no_recording_and_is_not_quoted(head, kind):
    with pytest.raises(SourceNotMediaError) as caught:
        sniff(head)
    assert f"looks like {kind}," in str(caught.value)
    assert "Code" not in str(caught.value)


PAGE = b"<html>" + b"Access denied. " * 99 + b"</html>"
OTHERS = [
    (bytes(1), "zeros"),
    (bytes(5000), "zeros"),
    (bytes(512) + b"\x1a\x45\xdf\xa3" * 99, "zeros"),  # a sector that was never written
    (b"\xff" * 5000, "one byte over and over"),
    (gzip.compress(PAGE), "gzip-compressed data"),
    (zlib.compress(PAGE), "zlib-compressed data"),
    (zlib.compress(PAGE, 9), "zlib-compressed data"),
    (bz2.compress(PAGE), "bzip2-compressed data"),
    (bz2.compress(b""), "bzip2-compressed data"),
    (lzma.compress(PAGE), "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd\x04\x00", "zstd-compressed data"),
    (b"\x04\x22\x4d\x18\x64\x40", "LZ4-compressed data"),
    (b"PK\x03\x04\x14\0", "a ZIP archive"),
    (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
    (b"recording.mp4".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\0", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"SQLite format 3\0\x10\0", "a database"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "a PNG picture"),
    (b"GIF89a\1\0\1\0", "a GIF picture"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP picture"),
    (b"II*\0\x08\0\0\0", "a TIFF picture"),
    (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "a BMP picture"),
    (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0", "an icon"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIF or AVIF picture"),
    (b"\0\0\0\x18ftypavif\0\0\0\0", "a HEIF or AVIF picture"),
    (b"\x7fELF\x02\x01\x01", "a program"),
    (b"MZ\x90\0" + bytes(56) + b"\x80\0\0\0", "a program"),
    (b"\0asm\x01\0\0\0", "a program"),
]


@pytest.mark.parametrize(("head", "what"), OTHERS, ids=[f"{number} {what}" for number, (_, what) in enumerate(OTHERS)])
def test_what_is_no_recording_in_any_reading_is_refused(head, what):
    with pytest.raises(SourceNotMediaError, match=f"the body looks like {what}, not like a recording"):
        sniff(head)


UNKNOWN_HEADS = {
    "nothing": b"",
    "numbers": bytes(range(256)),
    "one packet": b"\x47" + bytes(range(187)) + b"\x46" + bytes(range(187)),
    "a box of no length": b"\0\0\0\2free" + bytes(range(99)),
    "two letters of a program": b"MZ" + bytes(range(1, 99)),
    "two letters of a picture": b"BM" + bytes(range(1, 99)),
    "two bytes of zlib": b"\x78\x9c\xff\xff" + bytes(range(256)),
    "three of a tag": b"ID3\x04\0\0\xff\0\0\0",
    "a start code": b"\0\0\0\1\x80\0\0\0",
    "16-bit samples": struct.pack("<99h", *(int(9000 * math.sin(at / 9)) for at in range(99))),
}


@pytest.mark.parametrize("head", UNKNOWN_HEADS.values(), ids=UNKNOWN_HEADS)
def test_unknown_bytes_are_kept_as_they_are(head):
    assert sniff(head) == UNKNOWN


@given(st.binary(max_size=400), st.sampled_from([head for head, _, _ in MEDIA] + [head for head, _ in OTHERS] + [b""]))
def test_whatever_comes_is_named_or_refused(data, head):
    for body in (data, head + data, head[: len(data)]):
        with contextlib.suppress(SourceNotMediaError):
            assert sniff(body).extension.startswith(".")
