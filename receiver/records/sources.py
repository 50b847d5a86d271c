"""Where a file comes from: a fresh URL and its host, an allowed origin, an entry of the vendor's listings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.records.kinds import MeetingId, RecordingId, UrlOrigin
    from receiver.records.recordings import Host, Meeting, VendorFacts

_MOST_HOST_CHARS = 260
_PLAIN = re.compile(rf"https?://([a-z0-9.-]{{1,{_MOST_HOST_CHARS}}})/")
"""How every URL of the platform begins: what a full reading of it would find, at a tenth of the time."""


def source_host(url: str | None) -> str | None:
    """Return the lower-case host (and port, where one is written) of a download URL; None where there is none."""
    if plain := _PLAIN.match(url or ""):
        return plain[1]
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or len(host) > _MOST_HOST_CHARS or not host.isprintable():
        return None
    return f"{host}:{port}" if port else host


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshUrl:
    """A download URL believed good until `expires_at` (read from the URL, or one hour after the fetch)."""

    url: str
    expires_at: datetime
    origin: UrlOrigin

    @property
    def host(self) -> str | None:
        """Return whom the URL asks, as `source_host` writes it."""
        return source_host(self.url)

    def __repr__(self) -> str:
        """Leave the URL out: its query is a credential."""
        return f"FreshUrl(origin={self.origin.value}, expires_at={self.expires_at.isoformat()})"


@dataclass(frozen=True, slots=True)
class Origin:
    """An allowed download origin. A host of `*.example.com` stands for every name below example.com."""

    scheme: str
    host: str
    port: int

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a URL's scheme, lower-case host and effective port belong to this origin."""
        if (scheme, port) != (self.scheme, self.port):
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


@dataclass(frozen=True, slots=True)
class RefusedSource:
    """An origin that was not connected to, the setting in its way, and the host of the URL that led there.

    A recording that an older release gave up on has the host alone.
    """

    origin: str | None
    setting: str | None
    host: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecording:
    """One entry of the API's recordings listing for a meeting."""

    id: RecordingId
    meeting_id: MeetingId
    url: FreshUrl
    vendor: VendorFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMeeting:
    """A meeting as the API lists it, or as the catalogue knows it, which has no times of the meeting's own row."""

    meeting: Meeting
    host: Host
    created_at: datetime | None = None
    updated_at: datetime | None = None
