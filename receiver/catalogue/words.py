"""The words by which recordings are found: made here once, for writing and for asking, so that no database decides.

Text is brought to one form (`normalised`) and taken apart into tokens. A word is found from its beginning. What is
joined by punctuation, such as an e-mail or a login, is found by each of its parts and, written as it stands, from the
beginning of any part on. Scripts that put no spaces between words have a token at every character. Pure: no I/O.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_TOKENS = 256
"""Of one recording's texts; of what is longer than any real name and its e-mails, the beginning is found."""
MAX_TOKEN_CHARS = 64
MAX_UNSPACED_CHARS = 8
"""Of a token in an unspaced script; a longer run of a question is matched by all of its pieces of that length."""
_ABOVE, _BELOW = 200, 240
"""Canonical combining classes of accents; those of vowel signs, voicing marks and viramas lie outside."""
_STROKED = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"}
)
"""Letters that Unicode takes for letters of their own, and people for others with a stroke."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007"
    "\u3031-\u3035\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\uf900-\ufaff\U00016fe0-\U0001b2ff\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, kana and Han."""


class Piece(NamedTuple):
    """What one token of a recording must begin with, or must be where it `is_whole`."""

    token: str
    is_whole: bool = False


class _Part(NamedTuple):
    start: int
    text: str
    is_unspaced: bool


def normalised(text: str) -> str:
    """Return text as it is compared: without regard to width, case, accents and the dot of an i. Safe to repeat."""
    if text.isascii():
        return text.lower()
    for _ in range(3):  # folding may give what composes or folds once more
        before, text = text, _folded(text)
        if text == before:
            break
    return text


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(c for c in apart if not _ABOVE <= unicodedata.combining(c) <= _BELOW)
    return unicodedata.normalize("NFC", bare.translate(_STROKED))


def tokens(texts: Iterable[str | None]) -> list[str]:
    """Return the tokens by which these texts are found, each once, at most `MAX_TOKENS`."""
    found: dict[str, None] = {}
    for text in texts:
        for chunk in normalised(text).split() if text else ():
            found.update(_of_chunk(chunk))
            if len(found) >= MAX_TOKENS:
                return list(found)[:MAX_TOKENS]
    return list(found)


@lru_cache(maxsize=4096)
def _of_chunk(chunk: str) -> dict[str, None]:
    """Return the tokens of what stands between spaces; names and domains come again and again."""
    found: dict[str, None] = {}
    parts = list(_parts(chunk[: MAX_TOKENS * MAX_TOKEN_CHARS]))
    end = parts[-1].start + len(parts[-1].text) if parts else 0
    for number, part in enumerate(parts[:MAX_TOKENS]):
        if part.is_unspaced:
            found.update((part.text[at : at + MAX_UNSPACED_CHARS], None) for at in range(len(part.text)))
            continue
        found[part.text[:MAX_TOKEN_CHARS]] = None
        if number + 1 < len(parts):
            found["=" + chunk[part.start : min(end, part.start + MAX_TOKEN_CHARS)]] = None
    return found


def pieces(word: str) -> list[Piece]:
    """Return what a recording's tokens must hold to be found by a word of a question: none where it has no letter."""
    return [piece for chunk in normalised(word).split() for piece in _of_word(chunk)]


def _of_word(chunk: str) -> list[Piece]:
    parts = list(_parts(chunk))
    if len(parts) < 2 or any(part.is_unspaced for part in parts):
        return [Piece(text) for part in parts for text in _asked(part)]
    end = parts[-1].start + len(parts[-1].text)
    return [Piece("=" + chunk[parts[0].start : min(end, parts[0].start + MAX_TOKEN_CHARS)])]


def _asked(part: _Part) -> Iterator[str]:
    if not part.is_unspaced:
        yield part.text[:MAX_TOKEN_CHARS]
        return
    for at in range(max(1, len(part.text) - MAX_UNSPACED_CHARS + 1)):
        yield part.text[at : at + MAX_UNSPACED_CHARS]


def _parts(chunk: str) -> Iterator[_Part]:
    """Yield the runs of letters, digits and the marks on them, apart where a script without spaces begins or ends."""
    start = 0
    while start < len(chunk):
        if not _is_in_word(chunk[start]):
            start += 1
            continue
        is_unspaced, end = _is_unspaced(chunk[start]), start + 1
        while end < len(chunk) and _is_in_word(chunk[end]) and _is_unspaced(chunk[end]) is is_unspaced:
            end += 1
        yield _Part(start, chunk[start:end], is_unspaced)
        start = end


def _is_in_word(c: str) -> bool:
    return c.isalnum() or (not c.isascii() and unicodedata.category(c)[0] == "M")


def _is_unspaced(c: str) -> bool:
    return not c.isascii() and _UNSPACED.match(c) is not None


def participant(user_id: int) -> Piece:
    """Return the token of a user who took part."""
    return Piece(f"#{user_id}", is_whole=True)


def attendee(user_id_or_email: int | str) -> Piece:
    """Return the token of somebody who was invited, by user id or e-mail."""
    return Piece("@" + "".join(normalised(str(user_id_or_email)).split())[:320], is_whole=True)
