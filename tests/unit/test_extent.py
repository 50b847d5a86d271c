from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from receiver.errors import JobError, SourceLengthMismatchError, SourceLengthUnknownError, SourceNotMediaError
from receiver.transfer.extent import read_extent


def test_a_partial_answer_with_a_strong_etag_can_be_resumed():
    extent = read_extent(206, {"Content-Range": "bytes 5-9/20", "Content-Length": "5", "ETag": '"a"'})
    assert (extent.first, extent.end, extent.total, extent.etag, extent.resumable) == (5, 10, 20, '"a"', True)


@pytest.mark.parametrize("etag", [{}, {"ETag": 'W/"a"'}])
def test_without_a_strong_etag_nothing_tells_a_later_range_is_of_the_same_file(etag):
    assert not read_extent(206, {"Content-Range": "bytes 0-9/10", **etag}).resumable


def test_a_whole_answer_cannot_be_resumed():
    extent = read_extent(200, {"Content-Length": "10", "ETag": '"a"'})
    assert (extent.first, extent.end, extent.total, extent.resumable) == (0, 10, 10, False)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (200, {}, SourceLengthUnknownError),
        (206, {"Content-Range": "bytes 0-9/*"}, SourceLengthUnknownError),
        (206, {}, SourceLengthMismatchError),
        (206, {"Content-Type": "multipart/byteranges; boundary=x"}, SourceLengthMismatchError),
        (206, {"Content-Range": "bytes 0-9/10", "Content-Length": "9"}, SourceLengthMismatchError),
        (206, {"Content-Range": "bytes 0-9/5"}, SourceLengthMismatchError),
        (206, {"Content-Range": "bytes 9-0/10"}, SourceLengthMismatchError),
        (206, {"Content-Range": f"bytes 0-{'9' * 30}/10"}, SourceLengthMismatchError),
        (200, {"Content-Length": "-1"}, SourceLengthMismatchError),
        (200, {"Content-Length": "10", "Content-Encoding": "gzip"}, SourceNotMediaError),
    ],
)
def test_lengths_that_prove_nothing_are_errors(status, headers, error):
    with pytest.raises(error):
        read_extent(status, CIMultiDict(headers))


@given(st.sampled_from([200, 206]), st.none() | st.text(max_size=30), st.none() | st.text(max_size=30))
def test_any_headers_give_an_extent_that_adds_up_or_a_named_error(status, length, content_range):
    values = {"Content-Length": length, "Content-Range": content_range}
    try:
        extent = read_extent(status, {name: value for name, value in values.items() if value is not None})
    except JobError:
        return
    assert 0 <= extent.first <= extent.end <= extent.total
