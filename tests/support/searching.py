"""Recordings for questions, and what each question finds by a look at every one of them, on no database."""

from __future__ import annotations

import operator
import random
import unicodedata
from datetime import timedelta
from typing import Any

from receiver.catalogue.words import normalised
from receiver.records import Fixity
from tests.support.clock import NOW
from tests.support.operators import ARCHIVED, row

NAMES = (
    *("Weekly sync", "Zürich Review", "zurich-review/q3", "Łódź planning", "\u0130stanbul", "会議録画 Q3", "週次会議"),
    *(
        "ประชุมทีม",
        "Straße & Co",
        "Q3 \u2013 final",
        "Ünïcode",
        None,
        "weekly",
        "we",
        "Weekend plan",
        "a-b-c",
        "100% Done",
    ),
    "がんばる",
)
PEOPLE = ("Anna Müller", "Bob", "ANNA", "Zoë", "Ørsted", "bob_b", "user-4999", "user-12", None)
EMAILS = ("anna@example.com", "bob_b@example.com", "ZOË@example.org", "user-12@mail.example.org", None, "会@例え.jp")
HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 7, 40, 1200, 5000)
STATES = ("archived",) * 6 + ("failed", "pending", "waiting", "missing", "cancelled", "archiving")
WORDS = (
    *("weekly", "WEEK", "we", "w", "zurich", "Zürich", "review", "q3", "review/q3", "lodz", "istanbul", "会議", "議"),
    *("録画", "ประชุม", "ทีม", "strasse", "anna", "muller", "anna@example.com", "b@example", "example", "example.org"),
    *("org", "bob_b", "user", "user-", "user-1", "4999", "zzz", "--", "100%", "がん", "か", "会議 q3", "c", "例え"),
    *("'", '"', "*", "%", "_"),
)


def recordings(count: int, seed: int) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Make rows, who took part, and who was invited; many times, sizes and names are shared.

    Some recordings are of other hours, and of some one time lies hours, days or months from the others.
    """
    chance = random.Random(seed)  # noqa: S311
    rows, taking_part, invited = [], [], []
    for number in range(count):
        name = f"{chance.choice('abzAZ09_-')}{number}"
        state = chance.choice(STATES)
        at = NOW - timedelta(milliseconds=chance.randrange(40) * 500, microseconds=chance.randrange(3))
        at -= timedelta(hours=chance.choice(HOURS))
        values: dict[str, Any] = {
            "created_at": at,
            "meeting_id": f"m{chance.randrange(5)}",
            "meeting_name": chance.choice(NAMES),
            "meeting_start_at": chance.choice(
                (None, at - timedelta(hours=chance.choice(HOURS), seconds=chance.randrange(20)))
            ),
            "host_id": chance.choice((None, 1, 2, 3)),
            "host_name": chance.choice(PEOPLE),
            "host_login": chance.choice(PEOPLE),
            "host_email": chance.choice(EMAILS),
            "duration_s": chance.choice((None, 0.5, 60.0, float(chance.randrange(100)))),
            "hold": chance.random() < 0.2,
            "state": state,
        }
        if state == "archived":
            late = timedelta(hours=chance.choice(HOURS), seconds=chance.randrange(9))
            more = {"archived_at": at + late, "size_bytes": chance.randrange(9)}
            values |= {**ARCHIVED, **more, "content_type": chance.choice(("video/mp4", "video/webm"))}
            values["due_since"] = chance.choice((None, None, at))
            values["fixity"] = chance.choice((None, *Fixity))
            values["incomplete"] = chance.choice((None, None, "cut"))
        elif chance.random() < 0.5:
            values |= {"error_code": chance.choice(("gone", "busy")), "size_bytes": chance.choice((None, 5))}
        rows.append(row(name, **values))
        taking_part += [(name, n, user) for n, user in enumerate(chance.sample(range(4), chance.randrange(3)))]
        invited += [
            (name, n, chance.choice((None, 7, 8)), chance.choice(EMAILS)) for n in range(chance.choice((0, 0, 1, 2)))
        ]
    return rows, taking_part, [one for one in invited if one[2] is not None or one[3] is not None]


_SIGNS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_VALUES = {
    "created_at": lambda one: one["created_at"],
    "archived_at": lambda one: one.get("archived_at"),
    "start_date": lambda one: one["meeting_start_at"],
    "size_bytes": lambda one: one["size_bytes"] if one["state"] == "archived" else None,
    "duration_s": lambda one: one["duration_s"],
}


class Reference:
    """All rows in memory, and plain loops over them."""

    def __init__(self, made: tuple[list[dict[str, Any]], list[tuple[Any, ...]], list[tuple[Any, ...]]]) -> None:
        self.rows, self._taking_part, self._invited = made

    def find(self, asked: dict[str, Any], sort: str) -> list[str]:
        """Return the ids of the rows that meet all that is asked, in order."""
        name, down = sort.removeprefix("-"), sort.startswith("-")
        found = [one for one in self.rows if all(self._meets(one, key, value) for key, value in asked.items())]
        with_value = [one for one in found if _VALUES[name](one) is not None]
        without = [one for one in found if _VALUES[name](one) is None]
        with_value.sort(key=lambda one: (_VALUES[name](one), one["id"].encode()), reverse=down)
        without.sort(key=lambda one: (one["created_at"], one["id"].encode()), reverse=down)
        return [one["id"] for one in (with_value + without if down else without + with_value)]

    def _meets(self, one: dict[str, Any], key: str, value: Any) -> bool:  # noqa: PLR0911  (a line a filter)
        name, _, sign = key.partition("[")
        if sign:
            held = _VALUES[name](one)
            return held is not None and _SIGNS[sign.rstrip("]")](held, value)
        match key:
            case "state":
                return one["state"] in value
            case "due":
                return (one.get("due_since") is not None) is value
            case "incomplete":
                return (one.get("incomplete") is not None) is value
            case "participant_id":
                return any(r == one["id"] and user == value for r, _, user in self._taking_part)
            case "attendee":
                people = [p for p in self._invited if p[0] == one["id"]]
                return any(value == str(p[2]) or (p[3] and normalised(value) == normalised(p[3])) for p in people)
            case "q":
                return self._has_words(one, value)
            case _:
                return one.get(key) == value

    def _has_words(self, one: dict[str, Any], asked: tuple[str, ...]) -> bool:
        texts = [one[name] for name in ("meeting_name", "host_name", "host_login", "host_email")]
        texts += [p[3] for p in self._invited if p[0] == one["id"]]
        asked = tuple(part for word in asked for part in normalised(word).split())
        asked = tuple(word for word in asked if any(c.isalnum() for c in word))
        return bool(asked) and all(any(_stands_in(word, normalised(text)) for text in texts if text) for word in asked)


def _stands_in(word: str, text: str) -> bool:
    """Tell whether the text has the word where one begins, or anywhere in a script without spaces."""
    while not _of_word(word[0]):
        word = word[1:]
    while not _of_word(word[-1]):
        word = word[:-1]
    starts = [n for n in range(len(text)) if text.startswith(word, n)]
    return any(
        n == 0 or not _of_word(text[n - 1]) or _kind(text[n - 1]) != _kind(word[0]) or _kind(word[0]) for n in starts
    )


def _of_word(c: str) -> bool:
    return c.isalnum() or unicodedata.category(c).startswith("M")


def _kind(c: str) -> bool:
    return any(name in unicodedata.name(c, "") for name in ("CJK", "HIRAGANA", "KATAKANA", "THAI"))
