from __future__ import annotations

import codecs

import pytest

from receiver.errors import SourceNotMediaError
from receiver.media.sniff import UNKNOWN, sniff

MEDIA = [
    (b"\0\0\0\x18ftypisom\0\0\2\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x1cftypiso5\0\0\2\0", ".mp4", "video/mp4"),
    (b"\0\0\0\x18ftypM4A \0\0\0\0", ".m4a", "audio/mp4"),
    (b"\0\0\0\x14ftypqt  \0\0\2\0", ".mov", "video/quicktime"),
    (b"\0\0\0\x08wide\0\0\0\0mdat", ".mov", "video/quicktime"),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", ".webm", "video/webm"),
    (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", ".mkv", "video/x-matroska"),
    (b"OggS\0\2" + bytes(22) + b"\x01\x13OpusHead", ".ogg", "audio/ogg"),
    (b"OggS\0\2" + bytes(22) + b"\x01\x2a\x80theora", ".ogv", "video/ogg"),
    (b"ID3\x04\0\0\0\0\0\x23", ".mp3", "audio/mpeg"),
    (b"\xff\xfb\x90\x64\0\0\0\0", ".mp3", "audio/mpeg"),
    (b"\xff\xf1\x50\x80\x02\x1f\xfc", ".aac", "audio/aac"),
    (b"RIFF\x24\0\0\0WAVEfmt ", ".wav", "audio/wav"),
    (b"RIFF\x24\0\0\0AVI LIST", ".avi", "video/x-msvideo"),
    (b"FLV\x01\x05\0\0\0\x09", ".flv", "video/x-flv"),
    ((b"\x47\x40\0\x10" + bytes(184)) * 5, ".ts", "video/mp2t"),
]


@pytest.mark.parametrize(("head", "extension", "content_type"), MEDIA, ids=[m[1] for m in MEDIA])
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


@pytest.mark.parametrize(
    "head", [bytes(100), b"\x7fELF\x02\x01\x01", b"\x80\x81\x82", b"\x47" + bytes(300), b"RIFF\x24\0\0\0WEBP"]
)
def test_unknown_bytes_are_kept_as_they_are(head):
    assert sniff(head) == UNKNOWN
