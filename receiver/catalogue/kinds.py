"""The kinds of values that operators' filters take: how each is read from text, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from receiver.errors import InvalidQueryError
from receiver.records import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_WORDS = 16
MAX_WORDS_CHARS = 256
MAX_EMAIL_CHARS = 320
_MAX_INT64 = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_SECONDS = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_SPACE_FOR_PLUS = re.compile(r"(:[0-9]{2}\S*) ([0-9]{2}(:?[0-9]{2})?)$")
T = TypeVar("T")


class Shape(StrEnum):
    """What a surface must know of a kind to ask for a value of it."""

    CHOICE = "choice"
    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    WORDS = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueKind(Generic[T]):
    """`read` takes a parameter's name and its texts, which is one unless `is_list`; it raises `InvalidQueryError`.

    `is_whole`: of numbers only the whole ones.
    """

    shape: Shape
    read: Callable[[str, Sequence[str]], T]
    choices: tuple[str, ...] = ()
    is_list: bool = False
    is_whole: bool = False


def one_of(choices: Mapping[str, T]) -> ValueKind[T]:
    """Make a kind of the values that these names stand for."""

    def read(name: str, texts: Sequence[str]) -> T:
        return _chosen(choices, name, texts[0])

    return ValueKind(shape=Shape.CHOICE, read=read, choices=tuple(choices))


def some_of(choices: Mapping[str, T]) -> ValueKind[tuple[T, ...]]:
    """Make a kind of lists of such values, given with commas or one by one."""

    def read(name: str, texts: Sequence[str]) -> tuple[T, ...]:
        given = [part.strip() for text in texts for part in text.split(",")]
        return tuple(dict.fromkeys(_chosen(choices, name, part) for part in given))

    return ValueKind(shape=Shape.CHOICE, read=read, choices=tuple(choices), is_list=True)


def text(accepts: Callable[[str], bool], what: str) -> ValueKind[str]:
    """Make a kind of the texts that are `what`."""

    def read(name: str, texts: Sequence[str]) -> str:
        if not accepts(texts[0]):
            raise InvalidQueryError(f"{name}={shown(texts[0])} is not {what}")
        return texts[0]

    return ValueKind(shape=Shape.TEXT, read=read)


def whole_number(what: str) -> ValueKind[int]:
    """Make a kind of the numbers that are `what` and not negative."""

    def read(name: str, texts: Sequence[str]) -> int:
        if re.fullmatch(r"[0-9]{1,19}", texts[0]) is None or int(texts[0]) > _MAX_INT64:
            raise InvalidQueryError(f"{name}={shown(texts[0])} is not {what}: a whole number from 0 to {_MAX_INT64}")
        return int(texts[0])

    return ValueKind(shape=Shape.NUMBER, read=read, is_whole=True)


def _words(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(texts[0].split()))
    if len(texts[0]) > MAX_WORDS_CHARS or len(words) > MAX_WORDS:
        raise InvalidQueryError(
            f"{name}= is too long", f"give at most {MAX_WORDS} words and {MAX_WORDS_CHARS} characters"
        )
    return words


def _time(name: str, texts: Sequence[str]) -> datetime:
    """Read epoch seconds or ISO 8601; a time without an offset is UTC, a bare date its first instant in UTC."""
    try:
        if _EPOCH_SECONDS.fullmatch(texts[0]):
            return _EPOCH + timedelta(seconds=float(texts[0]))
        # an offset's "+" that was not percent-encoded arrives as a space
        found = datetime.fromisoformat(_SPACE_FOR_PLUS.sub(r"\1+\2", texts[0]))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise InvalidQueryError(
            f"{name}={shown(texts[0])} is not a time",
            "give ISO 8601 (2026-11-23, 2026-11-23T10:00:00Z) or epoch seconds",
        ) from e


def _seconds(name: str, texts: Sequence[str]) -> float:
    if _SECONDS.fullmatch(texts[0]) is None:
        raise InvalidQueryError(f"{name}={shown(texts[0])} is not a number of seconds: 90, or 90.5")
    return float(texts[0])


ID = text(is_id, "an id: 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
USER_ID = whole_number("a user id")
WORDS = ValueKind(shape=Shape.WORDS, read=_words)
PERSON = text(lambda given: 0 < len(given.strip()) <= MAX_EMAIL_CHARS, "a user id or an e-mail")
CODE = text(is_id, "an error's code, as `error.code` has it")
CONTENT_TYPE = text(lambda given: 0 < len(given) <= 128, "a content type, such as video/mp4")
BYTES = whole_number("a number of bytes")
SECONDS = ValueKind(shape=Shape.NUMBER, read=_seconds)
TIME = ValueKind(shape=Shape.TIME, read=_time)


def _chosen(choices: Mapping[str, T], name: str, given: str) -> T:
    if given not in choices:
        raise InvalidQueryError(
            f"{name}={shown(given)} is not known{nearest(given, tuple(choices))}", f"choose from {', '.join(choices)}"
        )
    return choices[given]


def nearest(given: str, known: Sequence[str]) -> str:
    """Return a question after the known name that was probably meant, or nothing."""
    import difflib  # noqa: PLC0415  (no idle process has a use for it)

    close = difflib.get_close_matches(given[:64], known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def shown(given: str) -> str:
    """Return what was given as an error shows it, cut where it is long."""
    return repr(given if len(given) <= 64 else given[:64] + "…")
