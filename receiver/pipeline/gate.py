"""Holds new runs back while the bucket or the Meetings API lets nobody."""

from __future__ import annotations

import asyncio

from receiver import logs, metrics

_LONGEST_S = 60.0
_log = logs.get("pipeline")


class Gate:
    """Open, but for a time after `close`: what one run was refused is no recording's fault, and awaits them all.

    Without it every waiting recording would be claimed, and perhaps its file opened, only to be refused here.
    """

    def __init__(self) -> None:
        self._opens_at = 0.0

    def close(self, for_s: float, reason: str) -> None:
        """Hold runs back from now on for `for_s`, but a minute at most; runs that have begun go on.

        Where the reason lasts longer the next run meets it again; where an operator ended it, that run finds out.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._opens_at:
            _log.error("queue_paused", seconds=for_s, reason=reason)
        self._opens_at = max(self._opens_at, now + min(for_s, _LONGEST_S))
        metrics.queue_paused.set(1)

    async def passed(self) -> None:
        """Wait as long as the gate was to be closed when this was called."""
        await asyncio.sleep(self._opens_at - asyncio.get_running_loop().time())

    def open(self) -> None:
        """Say that the bucket took something."""
        if self._opens_at:
            self._opens_at = 0.0
            metrics.queue_paused.set(0)
            _log.info("queue_resumed")
