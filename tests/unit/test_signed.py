"""Signed values: which keys and purposes are believed. (The page's sessions are tested by every character.)"""

from __future__ import annotations

import pytest

from receiver import signed
from receiver.catalogue.order import Mark, read_cursor, write_cursor
from receiver.errors import InvalidQueryError
from tests.support.clock import NOW

OLD, NEW, FOREIGN = b"o" * 32, b"n" * 32, b"f" * 32
MARK = Mark(NOW, "r1")


def test_a_value_is_good_as_long_as_its_key_is_listed() -> None:
    text = signed.sign(["ä", 1], keys=(OLD,), purpose=b"p")
    for keys, found in {(OLD,): ["ä", 1], (NEW, OLD): ["ä", 1], (NEW,): None, (FOREIGN, NEW): None}.items():
        assert signed.read(text, keys=keys, purpose=b"p") == found


def test_the_first_key_signs() -> None:
    text = signed.sign(1, keys=(NEW, OLD), purpose=b"p")
    assert [signed.read(text, keys=(key,), purpose=b"p") for key in (NEW, OLD)] == [1, None]


def test_a_value_is_good_for_its_purpose_alone() -> None:
    text = signed.sign(1, keys=(OLD,), purpose=b"p")
    assert [signed.read(text, keys=(OLD,), purpose=purpose) for purpose in (b"p", b"q", b"", b"p\0")] == [
        1,
        None,
        None,
        None,
    ]


def test_a_long_value_that_is_packed_comes_back() -> None:
    text = signed.sign("a" * 400, keys=(OLD,), purpose=b"p")
    assert len(text) < 400
    assert signed.read(text, keys=(OLD,), purpose=b"p") == "a" * 400


def test_a_cursor_is_good_while_its_key_is_listed_and_for_its_listing_and_sort() -> None:
    cursor = write_cursor((OLD,), "-created_at", MARK)
    assert read_cursor((NEW, OLD), "-created_at", cursor) == MARK
    for keys, listing in (((NEW,), "-created_at"), ((OLD,), "created_at"), ((OLD,), "deliveries")):
        with pytest.raises(InvalidQueryError, match="start again without it"):
            read_cursor(keys, listing, cursor)


BEFORE = "w8dMFFz_LbfKrF_bGylTFlsiLWNyZWF0ZWRfYXQiLCIyMDI2LTExLTIzVDEyOjAwOjAwKzAwOjAwIiwicjEiXQ"
"""A cursor as releases gave it out before, signed with the key `k`."""


@pytest.mark.parametrize("cursor", ["", "x", BEFORE, "é", "\ud800", "a." + "A" * 64, "a" * 10_000])
def test_what_is_no_cursor_is_answered_as_any_foreign_one(cursor: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        read_cursor((b"k",), "-created_at", cursor)
    assert (
        str(caught.value) == "cursor= is not one that this listing gave out with the same sort; start again without it"
    )
