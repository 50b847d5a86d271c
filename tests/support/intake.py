"""Deliveries taken in without HTTP, for tests of what lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.meetings.payload import parse
from receiver.records import Accepted, StoredFile

if TYPE_CHECKING:
    from datetime import datetime

    from receiver.inbox import Inbox

STORED = StoredFile(
    bucket="b",
    key="k.mp4",
    version_id=None,
    size_bytes=1,
    sha256="0" * 64,
    checksum="crc64nvme:x",
    content_type="video/mp4",
)


async def accept(inbox: Inbox, body: bytes, *, now: datetime) -> Accepted:
    """Store a body as the webhook would."""
    return await inbox.accept(body, parse(body), now=now)
