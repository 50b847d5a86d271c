"""Bodies of deliveries without what was erased. What they say of others stays, written anew as compact JSON.

What a body says of an erased recording goes with its record; an object of the body whose records are all erased goes
whole, with its meeting and host. What is written of an id or a person in fields that nobody knows goes too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from receiver.errors import UnreadableError
from receiver.meetings.payload import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_USER_FIELDS = frozenset({"id", "_id", "user_id", "host_id", "userId"})
_USER_LISTS = frozenset({"participants_ids", "occupants_ids"})
_IN_ID = r"[A-Za-z0-9_-]"
_EMAIL = re.compile(r"[^\s@<>\"'(),;:\[\]]+@[^\s@<>\"'(),;:\[\]]+")


class Named(Protocol):
    """Tells whom ids, e-mails (casefolded) and texts such as a login or a name (casefolded) are of."""

    def is_user(self, user_id: int) -> bool: ...
    def is_email(self, email: str) -> bool: ...
    def is_text(self, text: str) -> bool: ...


def without_recordings(body: bytes, ids: Collection[str]) -> bytes:
    """Return the body without these recordings; empty where it names no other, or where it cannot be read."""
    document = _read(body)
    if document is None:
        return b""
    items = document if isinstance(document, list) else [document]
    left = [kept for item in items if (kept := _without_records(item, frozenset(ids))) is not None]
    if not left:
        return b""
    named = re.compile(f"(?<!{_IN_ID})(?:{'|'.join(map(re.escape, sorted(ids)))})(?!{_IN_ID})")
    rest: Any = left if isinstance(document, list) else left[0]
    if named.search(json.dumps(rest)):
        rest = _mapped(rest, lambda text: named.sub("", text))
    return _written(rest)


def without_meeting(body: bytes, meeting_id: str) -> bytes:
    """Return the body without what describes a meeting and brings no record; empty where nothing else is there."""
    document = _read(body)
    if document is None:
        return b""
    items = document if isinstance(document, list) else [document]
    left = [item for item in items if not _is_of_meeting(item, meeting_id)]
    return _written(left if isinstance(document, list) else left[0]) if left else b""


def without_person(body: bytes, person: Named, words: Collection[str] = ()) -> bytes:
    """Return the body without the person, as host, participant and attendee.

    One that cannot be read is kept as it is, or not at all where it has an e-mail of theirs or one of `words`.
    """
    document = _read(body)
    if document is None:
        emails = _EMAIL.findall(body.decode("utf-8", "replace"))
        return b"" if mentions(body, words) or any(person.is_email(one.casefold()) for one in emails) else body
    left = _without(document, person)
    return body if left == document else _written(left)


def mentions(body: bytes, words: Collection[str]) -> bool:
    """Tell whether the body holds one of the words, as they are or in JSON's escapes, without regard to case."""
    text = body.decode("utf-8", "replace").casefold()
    unescaped = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text).replace("\\/", "/").casefold()
    return any(word.casefold() in text or word.casefold() in unescaped for word in words)


def _read(body: bytes) -> Any:
    try:
        document = read_json(body)
    except UnreadableError:
        return None
    return document if isinstance(document, dict | list) else None


def _written(document: Any) -> bytes:
    """Write JSON; what is no number stays as it was read, and a lone surrogate its escape."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()


def _without_records(item: Any, ids: frozenset[str]) -> Any:
    """Return an object of the body with the records that are left; None where all of them are erased."""
    if not isinstance(item, dict):
        return item
    records = item.get("callRecords")
    if not isinstance(records, list):
        return None if item.get("_id") in ids else item
    left = [one for one in records if not (isinstance(one, dict) and _is_in(one.get("_id"), ids))]
    if len(left) == len(records):
        return item
    return item | {"callRecords": left} if left else None


def _is_of_meeting(item: Any, meeting_id: str) -> bool:
    meeting = item.get("meeting") if isinstance(item, dict) else None
    return isinstance(meeting, dict) and meeting.get("_id") == meeting_id and not item.get("callRecords")


def _is_in(value: Any, ids: frozenset[str]) -> bool:
    return isinstance(value, str) and value in ids


def _mapped(value: Any, of_text: Callable[[str], str]) -> Any:
    match value:
        case str():
            return of_text(value)
        case list():
            return [_mapped(one, of_text) for one in value]
        case dict():
            return {of_text(name): _mapped(one, of_text) for name, one in value.items()}
        case _:
            return value


def _without(value: Any, person: Named) -> Any:
    """Return a value without the person: an object that is theirs is empty, in a list it is not there."""
    match value:
        case list():
            return [_without(one, person) for one in value if not _is_theirs(one, person)]
        case dict():
            return {name: _field(name, one, person) for name, one in value.items()}
        case str():
            return _text(value, person)
        case _:
            return value


def _field(name: str, value: Any, person: Named) -> Any:
    if _is_theirs(value, person):
        return {}
    if name in _USER_FIELDS and _is_user(value, person):
        return None
    if name in _USER_LISTS and isinstance(value, list):
        return [one for one in value if not _is_user(one, person)]
    return _without(value, person)


def _is_theirs(value: Any, person: Named) -> bool:
    """Tell whether an object describes the person: by its id where it has one, else by its e-mail."""
    if not isinstance(value, dict) or "callRecords" in value or "meeting" in value:
        return False
    if any(_is_user(value.get(name), person) for name in ("id", "user_id", "userId")):
        return True
    email = value.get("email")
    return isinstance(email, str) and person.is_email(email.strip().casefold())


def _is_user(value: Any, person: Named) -> bool:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and person.is_user(value)


def _text(value: str, person: Named) -> str:
    if person.is_text(value.strip().casefold()):
        return ""
    if "@" not in value:
        return value
    return _EMAIL.sub(lambda found: "" if person.is_email(found[0].casefold()) else found[0], value)
