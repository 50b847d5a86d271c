"""The words by which recordings are found: one form of text, the tokens of it, and what a question's words ask for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.catalogue import words
from receiver.catalogue.words import MAX_TOKENS, normalised, pieces, tokens


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Zürich", "zurich"),
        ("Zu\u0308rich", "zurich"),
        ("STRASSE straße", "strasse strasse"),
        ("\u0130stanbul \u0131sparta", "istanbul isparta"),
        ("Łódź Ørsted Đorđe", "lodz orsted dorde"),
        ("\uff31\uff13 \ufb01nal", "q3 final"),
        ("ΆΛΦΑ ς", "αλφα \u03c3"),
        ("Ёлка", "елка"),
        ("がガ", "がガ"),
        ("한국어", "한국어"),
        ("हिन्दी", "हिन्दी"),
        ("ภาษาไทย", "ภาษาไทย"),
    ],
)
def test_one_form_of_text(written: str, form: str) -> None:
    assert normalised(written) == unicodedata.normalize("NFC", form)


@given(st.text())
def test_the_form_is_its_own_form(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Weekly sync", ["weekly", "sync"]),
        ("(Weekly) -- sync!", ["weekly", "sync"]),
        (
            "anna_b@Example.com",
            ["anna", "=anna_b@example.com", "b", "=b@example.com", "example", "=example.com", "com"],
        ),
        ("user-4999", ["user", "=user-4999", "4999"]),
        ("会議録画", ["会議録画", "議録画", "録画", "画"]),
        ("🎉 --", []),
    ],
)
def test_tokens(text: str, found: list[str]) -> None:
    assert tokens([text, None, text]) == found


@given(st.text(max_size=60))
def test_a_text_is_found_by_each_of_its_words_and_their_beginnings(text: str) -> None:
    held = tokens([text])
    for word in text.split():
        for end in range(1, len(word) + 1):
            if unicodedata.combining(word[end : end + 1] or "a") or not unicodedata.is_normalized("NFKC", word):
                continue  # half of what is composed is something else
            if normalised(word).startswith(normalised(word[:end])):
                for piece in pieces(word[:end]):
                    assert any(one.startswith(piece.token) for one in held), (piece, held)


@given(st.text())
def test_a_token_holds_no_space_and_is_no_mark_of_another_kind(text: str) -> None:
    for token in tokens([text]):
        assert token.split() == [token]
        assert token[0] not in "#@"


def test_what_is_asked_for() -> None:
    assert [piece.token for piece in pieces("ZÜRICH")] == ["zurich"]
    assert [piece.token for piece in pieces("(b@Exam")] == ["=b@exam"]
    assert [piece.token for piece in pieces("Q3会議")] == ["q3", "会議"]
    assert [piece.token for piece in pieces("あいうえおかきくけ")] == ["あいうえおかきく", "いうえおかきくけ"]
    assert pieces("--") == []
    assert words.attendee(" Zoë@X.org ").token == "@zoe@x.org"


def test_no_text_has_tokens_without_end() -> None:
    assert len(tokens([" ".join(f"w{n}" for n in range(5000))])) == MAX_TOKENS
    assert len(tokens(["会" * 8192, "x-" * 4096])) <= MAX_TOKENS
    assert max(map(len, tokens(["x" * 8192, "x-" * 4096]))) == words.MAX_TOKEN_CHARS + 1
