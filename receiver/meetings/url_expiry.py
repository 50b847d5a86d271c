"""How long a signed download URL lives, as the URL itself says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

UNKNOWN_LIFE = timedelta(hours=1)
"""The vendor's page: "expired after 1 hour"; what a URL gets whose scheme is not known."""

_EPOCH = re.compile(r"[0-9]{10}")  # the years 2001 to 2286; fewer or more digits are no epoch seconds
_SECONDS = re.compile(r"[0-9]{1,10}")
_V4_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def url_expiry(url: str, *, fetched_at: datetime) -> datetime:
    """Return when `url` stops working: AWS SigV4 or SigV2 query, else one hour after `fetched_at`. Never raises."""
    query = _query(url)
    return _sigv4(query) or _sigv2(query) or fetched_at + UNKNOWN_LIFE


def _query(url: str) -> dict[str, str]:
    """Read the parameters by lower-case name, the first of a name winning; broken escapes stay as they are."""
    query: dict[str, str] = {}
    for pair in url.partition("?")[2].partition("#")[0].split("&"):
        name, _, value = pair.partition("=")
        query.setdefault(unquote(name).lower(), unquote(value))
    return query


def _sigv4(query: dict[str, str]) -> datetime | None:
    begins, seconds = query.get("x-amz-date", ""), query.get("x-amz-expires", "")
    if not _V4_DATE.fullmatch(begins) or not _SECONDS.fullmatch(seconds):
        return None
    try:
        return datetime.strptime(begins, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def _sigv2(query: dict[str, str]) -> datetime | None:
    epoch = query.get("expires", "")
    return datetime.fromtimestamp(int(epoch), UTC) if _EPOCH.fullmatch(epoch) else None
