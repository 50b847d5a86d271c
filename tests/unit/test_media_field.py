"""What was seen in the field: each input of `data/field` stands for its kind."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from receiver.errors import SourceNotMediaError
from receiver.media import walker_for
from receiver.media.sniff import SNIFF_BYTES, sniff

FIELD = Path(__file__).parent.parent / "data" / "field"
CHUNK_BYTES = 512 * 1024


def read(name: str) -> bytes:
    data = (FIELD / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def incomplete(name: str) -> str | None:
    data = read(name)
    walker = walker_for(sniff(data[:SNIFF_BYTES]).content_type)
    for at in range(0, len(data), CHUNK_BYTES):
        walker.feed(data[at : at + CHUNK_BYTES])
    return walker.finish(len(data)).incomplete


@pytest.mark.parametrize(
    ("name", "extension", "content_type"),
    [
        ("a2-mdat-first-003c.mov.gz", ".mov", "video/quicktime"),
        ("d1-rf64.wav", ".wav", "audio/wav"),
        ("d2-flac", ".flac", "audio/flac"),
        ("d4-id3-adts.aac", ".aac", "audio/aac"),
        ("d6-webm-void-before-doctype.webm", ".webm", "video/webm"),
        ("d8-mpeg-ps.mpg", ".mpg", "video/mpeg"),
        ("ok3-zero-mdat-last.mp4", ".mp4", "video/mp4"),
        ("ok4-two-sessions.webm", ".webm", "video/webm"),
        ("ok5-id3v1-tail.mp4", ".mp4", "video/mp4"),
    ],
)
def test_it_is_known_and_whole(name, extension, content_type):
    media = sniff(read(name)[:SNIFF_BYTES])
    assert (media.extension, media.content_type) == (extension, content_type)
    assert incomplete(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("b1-killed-no-moov.mp4", "no moov box, without which nothing in it can be played"),
        ("b2-cut.wav", "the data chunk at byte 36 says it ends at byte 1,044, the file ends at byte 600"),
        ("b4-cut.flv", "the tag at byte 839 says it ends at byte 1,254, the file ends at byte 1,058"),
    ],
)
def test_it_is_known_and_incomplete(name, reason):
    assert reason in incomplete(name)


@pytest.mark.parametrize(
    ("name", "what"), [("c1-latin1-error", "plain text"), ("c3-zeros", "zeros"), ("c4-head-zeroed.mp4", "zeros")]
)
def test_it_is_refused(name, what):
    with pytest.raises(SourceNotMediaError, match=f"looks like {what},"):
        sniff(read(name)[:SNIFF_BYTES])
