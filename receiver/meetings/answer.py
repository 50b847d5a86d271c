"""What the API answered, and what can be read from its headers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from receiver.errors import ApiBadAnswerError
from receiver.logs import redact

MAX_ENTRIES = 20_000
_MAX_VALUES = 500_000
"""In one listing, counted before it is read: a value can take fifty times the memory of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """What came back. `date` is the API's clock (its `Date`); `secrets` are the request's, to be blanked in texts."""

    status: int
    body: bytes = field(repr=False)
    received_at: datetime
    date: datetime | None = None
    retry_after_s: float | None = None
    token_expiry: str | None = None
    content_type: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def skew_s(self) -> float:
        """Seconds by which our clock is ahead of the API's; 0 where the answer has no `Date`."""
        return 0.0 if self.date is None else (self.received_at - self.date).total_seconds()


def read_json(body: bytes, what: str) -> Any:
    """Return what an answer's body says, or raise `ApiBadAnswerError` where it is no JSON, or too large."""
    if sum(map(body.count, (b",", b"{", b"["))) > _MAX_VALUES:
        raise ApiBadAnswerError(f"{what} holds more than {_MAX_VALUES} values, of which no more are read")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ApiBadAnswerError(f"{what} is not JSON") from None


def read_listing(body: bytes, what: str) -> list[Any]:
    """Return the entries of an answer's body, or raise `ApiBadAnswerError` where it is no JSON array, or too large."""
    listed = read_json(body, what)
    if not isinstance(listed, list):
        raise ApiBadAnswerError(f"{what} is not a JSON array")
    if len(listed) > MAX_ENTRIES:
        raise ApiBadAnswerError(f"{what} has {len(listed)} entries, of which no more than {MAX_ENTRIES} are read")
    return listed


def http_date(value: str) -> datetime | None:
    """Read an HTTP date; None where it is absent or nonsense."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def blanked(text: str, secrets: tuple[str, ...]) -> str:
    """Return `text` without the secrets that the request carried."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[redacted]")
    return redact(text)
