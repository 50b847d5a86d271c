"""What becomes of strangers' text before it stands on the page."""

from __future__ import annotations

import pytest

from receiver.page.rendering import cut, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Пятница 会议 🎥", "Пятница 会议 🎥"),
        ("👨\u200d👩\u200d👧 auf\u200clage", "👨\u200d👩\u200d👧 auf\u200clage"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
        ("bell\x07 nul\x00 c1\x9b del\x7f", r"bell\x07 nul\x00 c1\x9b del\x7f"),
        ("\ud800", r"\ud800"),
        ("<script>", "<script>"),
    ],
)
def test_what_a_browser_would_obey_or_hide_is_shown(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("exactly ten", "exactly t…"),
        ("0123456789", "0123456789"),
        ("012345678 9", "012345678…"),
        ("a \n\t b", "a b"),
        ("x" * 5000, "x" * 9 + "…"),
        ("", ""),
    ],
)
def test_long_text_is_one_line_of_a_bounded_length(text, shown):
    assert cut(text, 10) == shown
