from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.meetings import url_expiry

FETCHED = datetime(2026, 3, 1, 12, tzinfo=UTC)
AN_HOUR_LATER = FETCHED + timedelta(hours=1)
HOST = "https://cb-recordings.s3.amazonaws.com/videos/dHk9xJQk"


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # SigV2
        ("AWSAccessKeyId=X&Expires=1687187417&Signature=a%3D", at(2023, 6, 19, 15, 10, 17)),
        ("AWSAccessKeyId=X&EXPIRES=1687187417&signature=a", at(2023, 6, 19, 15, 10, 17)),
        ("%45xpires=1687187417", at(2023, 6, 19, 15, 10, 17)),
        ("Expires=1690551720&Signature=8%2BMP%XXXXX%2B4%2BYHAVjvQE%3D&x=%", at(2023, 7, 28, 13, 42)),  # broken escapes
        ("response-cache-control=max-age%3D604800&Expires=1690551720", at(2023, 7, 28, 13, 42)),
        ("Expires=1690551720&Expires=1790551720", at(2023, 7, 28, 13, 42)),
        # SigV4
        ("X-Amz-Date=20230721T134014Z&X-Amz-Expires=604800&X-Amz-Signature=a", at(2023, 7, 28, 13, 40, 14)),
        ("x-amz-expires=3600&x-amz-date=20230721T134014Z", at(2023, 7, 21, 14, 40, 14)),
        ("X-Amz-Date=20230721T134014Z&X-Amz-Expires=0", at(2023, 7, 21, 13, 40, 14)),
        ("X-Amz-Date=20230721T134014Z&X-Amz-Expires=60&Expires=1790551720", at(2023, 7, 21, 13, 41, 14)),
        # half a SigV4 beside a whole SigV2
        ("X-Amz-Expires=60&Expires=1690551720", at(2023, 7, 28, 13, 42)),
        # unknown or nonsense: an hour from the fetch
        ("", AN_HOUR_LATER),
        ("token=abc", AN_HOUR_LATER),
        ("Expires=", AN_HOUR_LATER),
        ("Expires=soon", AN_HOUR_LATER),
        ("Expires=-1687187417", AN_HOUR_LATER),
        ("Expires=3600", AN_HOUR_LATER),  # a duration, not an epoch
        ("Expires=1687187417000", AN_HOUR_LATER),  # milliseconds
        ("Expires=" + "9" * 5000, AN_HOUR_LATER),
        ("Expires=١٦٨٧١٨٧٤١٧", AN_HOUR_LATER),  # digits, but not ASCII's
        ("X-Amz-Date=20231321T134014Z&X-Amz-Expires=60", AN_HOUR_LATER),  # month 13
        ("X-Amz-Date=99991231T235959Z&X-Amz-Expires=9999999999", AN_HOUR_LATER),
        ("X-Amz-Date=20230721T134014Z&X-Amz-Expires=1e9", AN_HOUR_LATER),
        ("X-Amz-Date=20230721T134014Z", AN_HOUR_LATER),
    ],
)
def test_expiry_is_read_from_the_query(query, expected):
    assert url_expiry(f"{HOST}?{query}", fetched_at=FETCHED) == expected


def test_fragment_is_not_the_query():
    assert url_expiry(f"{HOST}#?Expires=1687187417", fetched_at=FETCHED) == at(2023, 6, 19, 15, 10, 17)
    assert url_expiry(f"{HOST}?a=b#&Expires=1687187417", fetched_at=FETCHED) == AN_HOUR_LATER


_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=80)


@given(url=_TEXT, name=st.sampled_from(["Expires", "X-Amz-Date", "X-Amz-Expires"]), value=_TEXT)
def test_never_raises(url, name, value):
    """Also for control characters, lone surrogates and broken network locations."""
    for text in (url, f"{url}?{name}={value}", f"https://[?{name}={json.dumps(value)}"):
        assert url_expiry(text, fetched_at=FETCHED).tzinfo is not None
