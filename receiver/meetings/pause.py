"""The wait that the API asked for, kept by every request of every process."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from receiver import logs
from receiver.errors import ApiPausedError, StorageUnavailableError

_LONGEST_S = 86_400.0  # a header that asks for more is a mistake; a service that is silent for good helps nobody

log = logs.get("meetings_api")


class SharedPause(Protocol):
    """The end of the pause where all processes see it. Both raise `StorageUnavailableError` while they cannot."""

    async def left_s(self) -> float:
        """Return for how many seconds more nothing may be asked; 0 where there is no pause."""

    async def ask(self, seconds: float) -> None:
        """Hold back all processes for `seconds`; a pause that ends later stands."""


class Pause:
    """No request is sent before the latest `Retry-After` is over, whichever process was told it.

    What is `shared` is read before every request: a kept copy would let requests out after another process was told to
    wait. Where it cannot be read, what this process was told itself still holds.
    """

    def __init__(self, *, patience_s: float, shared: SharedPause | None = None) -> None:
        self._patience_s = patience_s
        self._shared = shared
        self._until = 0.0

    async def ask(self, seconds: float) -> None:
        """Hold back all requests for `seconds`; a pause that ends later stands."""
        seconds = min(seconds, _LONGEST_S)
        until = time.monotonic() + seconds
        if until <= self._until:
            return
        self._until = until
        log.warning("api_paused", seconds=round(seconds, 3))
        if self._shared is not None:
            try:
                await self._shared.ask(seconds)
            except StorageUnavailableError as e:
                log.warning("api_pause_not_shared", error=str(e))

    async def waited(self) -> bool:
        """Wait the pause out and tell whether there was one; raises `ApiPausedError` at once where it is too long."""
        give_up_at = time.monotonic() + self._patience_s
        was_paused = False
        while (left_s := await self._left_s()) > 0:
            if self._until > give_up_at:
                raise ApiPausedError(
                    f"the Meetings API asked for a pause that lasts {left_s:.0f} s more",
                    "nothing is asked before its end",
                    retry_after_s=left_s,
                )
            was_paused = True
            await asyncio.sleep(left_s)
        return was_paused

    async def _left_s(self) -> float:
        left_s = self._until - time.monotonic()
        if left_s > 0 or self._shared is None:
            return left_s
        try:
            left_s = await self._shared.left_s()
        except StorageUnavailableError as e:
            log.warning("api_pause_unknown", error=str(e))
        else:
            self._until = max(self._until, time.monotonic() + left_s)
        return self._until - time.monotonic()
