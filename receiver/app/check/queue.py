"""Is the queue held back since the bucket or the Meetings API lets nobody?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.app.check.findings import ok, warning
from receiver.app.check.index import look_at_index
from receiver.errors import ApiPausedError, remedies_by_hand

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from receiver.app.check.findings import Finding
    from receiver.settings import Settings

_REMEDIES = {ApiPausedError.code: ApiPausedError.remedy} | remedies_by_hand()
"""What ends runs through no fault of their recordings, and so pauses the queue."""


async def queue_findings(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Tell of recordings that wait for an outage's end."""
    waiting = (await look_at_index(settings)).waiting
    held_back = {code: waiting[code] for code in _REMEDIES if code in waiting}
    if not held_back:
        yield ok("queue", "no recording waits for the bucket or the Meetings API to let the service in again")
    for code, many in held_back.items():
        yield warning("queue", f"waiting with the code {code}: {many}", _REMEDIES[code])
