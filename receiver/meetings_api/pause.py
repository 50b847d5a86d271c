"""The wait that the API asked for, kept by every request of this client."""

from __future__ import annotations

import asyncio
import time

from receiver import logs
from receiver.errors import ApiUnavailableError

_LONGEST_S = 86_400.0  # a header that asks for more is a mistake; a service that is silent for good helps nobody

log = logs.get("meetings_api")


class Pause:
    """No request is sent before the latest `Retry-After` is over."""

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._until = 0.0

    def ask(self, seconds: float) -> None:
        """Hold back all requests for `seconds`; a pause that ends later stands."""
        seconds = min(seconds, _LONGEST_S)
        until = time.monotonic() + seconds
        if until > self._until:
            self._until = until
            log.warning("api_paused", seconds=round(seconds, 3))

    async def over(self) -> None:
        """Wait the pause out, or raise at once where that would take longer than this client's patience."""
        give_up_at = time.monotonic() + self._patience_s
        while (left_s := self._until - time.monotonic()) > 0:
            if self._until > give_up_at:
                raise ApiUnavailableError(
                    f"the Meetings API asked for a pause that lasts {left_s:.0f} s more; "
                    "nothing is asked before its end",
                    retry_after_s=left_s,
                )
            await asyncio.sleep(left_s)
