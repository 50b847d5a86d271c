"""How the vendor's fields are read, in webhooks and listings alike: nonsense in an advisory one becomes None.

`vendor_facts` is the one reader of a recording's entry: of the payload's `callRecords`, and of a recordings listing.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from receiver.records import Attendee, VendorFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT_CHARS = 8192
MAX_URL_CHARS = 8192
MAX_FILE_UID_CHARS = 512
"""Eight times as long as those that the vendor's page shows (61)."""
MAX_PARTICIPANTS = 1000
"""Of one recording; how many there were in all is a count of its own."""
MAX_ATTENDEES = 1000
MAX_EMAIL_CHARS = 320
_INT64 = 2**63 - 1
_FIRST_MS = 10**11
"""Numbers beyond are milliseconds (in seconds, the year 5138): the vendor's own samples write both."""
_EPOCH_TEXT = re.compile(r"[0-9]{10,16}")
_LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z


def vendor_facts(entry: Mapping[str, Any], *, most_participants: int = MAX_PARTICIPANTS) -> VendorFacts:
    """Read what an entry says of a recording, but for its ids and its URL."""
    return VendorFacts(
        participant_ids=user_ids(entry.get("participants_ids"), most=most_participants),
        participants_count=count(entry.get("participants_count")),
        file_uid=file_uid(entry.get("file_uid")),
        duration_s=number(entry.get("duration")),
        vendor_size=number(entry.get("size")),
        created_at=time(entry.get("created_at")),
        updated_at=time(entry.get("updated_at")),
    )


def url(value: Any) -> str | None:
    """Read a URL byte for byte, broken escapes too, but for space around it; what no request line can hold is None."""
    value = value.strip() if isinstance(value, str) else value
    is_text = isinstance(value, str) and 0 < len(value) <= MAX_URL_CHARS
    return value if is_text and value.isprintable() and " " not in value else None


def file_uid(value: Any) -> str | None:
    """Read the name of a file, whole or not at all: a repaired or shortened one would be another file's."""
    is_text = isinstance(value, str) and 0 < len(value) <= MAX_FILE_UID_CHARS
    return value if is_text and value.isprintable() and "\ufffd" not in value else None


def text(value: Any) -> str | None:
    """Read text, without what no database takes, cut to `MAX_TEXT_CHARS`."""
    if not isinstance(value, str):
        return None
    # PostgreSQL takes neither NUL nor lone surrogates
    clean = value.replace("\0", "").encode("utf-8", "replace").decode()
    return clean[:MAX_TEXT_CHARS] or None


def number(value: Any) -> float | None:
    """Read a finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def count(value: Any) -> int | None:
    """Read a whole number that is not negative."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and found <= _INT64 else None


def user_id(value: Any) -> int | None:
    """Read the platform's numeric user id, also where it is written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64 else None


def user_ids(value: Any, *, most: int = MAX_PARTICIPANTS) -> tuple[int, ...]:
    """Read user ids, each once, of the first `most` items."""
    items = value[: min(most, MAX_PARTICIPANTS)] if isinstance(value, list) else []
    return tuple(dict.fromkeys(user for item in items if (user := user_id(item)) is not None))


def attendees(value: Any) -> tuple[Attendee, ...] | None:
    """Read who was invited, each once; an item with neither user id nor e-mail is nobody, no array says nothing."""
    if not isinstance(value, list):
        return None
    found = (
        Attendee(id=user_id(item.get("id")), email=(text(item.get("email")) or "")[:MAX_EMAIL_CHARS].strip() or None)
        for item in value[:MAX_ATTENDEES]
        if isinstance(item, dict)
    )
    return tuple(dict.fromkeys(one for one in found if one != Attendee()))


def time(value: Any) -> datetime | None:
    """Read epoch seconds or milliseconds (`start_date`) or ISO 8601 (`created_at`), in UTC where it names no offset."""
    seconds = number(int(value) if isinstance(value, str) and _EPOCH_TEXT.fullmatch(value) else value)
    if seconds is not None:
        seconds = seconds / 1000 if seconds > _FIRST_MS else seconds
        return datetime.fromtimestamp(seconds, UTC) if seconds <= _LATEST_S else None
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
