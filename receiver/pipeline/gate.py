"""Holds runs back while one side (the Meetings API, the bucket, a download host) serves nobody."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from receiver import logs
from receiver.lifecycle import RetryPolicy, pause_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.errors import Side
    from receiver.records import RecordingId

_PROBE_OUT_S = 1.0
"""How long a run waits before it looks again whether the probe has come back."""
_REMIND_EVERY_S = 600.0
_log = logs.get("pipeline")


class Gate:
    """Open, until a run says that the side failed; then closed for a pause, after which one run finds out for all.

    Without it every waiting recording would be claimed, and perhaps its file opened, only to be refused here.
    """

    def __init__(self, side: Side, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        self._side = side
        self._policy = policy
        self._jitter = jitter
        self._changed = asyncio.Event()
        self._opens_at: float | None = None
        self._probe: RecordingId | None = None
        self._pauses = 0
        self._since: float | None = None
        self._said_at = 0.0
        self.reason = ""

    @property
    def is_closed(self) -> bool:
        """Tell whether runs are held back."""
        return self._opens_at is not None

    async def passed(self, who: RecordingId) -> None:
        """Wait until this recording's run may go."""
        while (left_s := self.left_s(who)) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()

    def left_s(self, who: RecordingId) -> float:
        """Return in how many seconds it is worth asking again, or 0 for a run that may go: as the probe in a pause."""
        if self._opens_at is None or self._probe == who:
            return 0.0
        if (left_s := self._opens_at - _now()) > 0:
            return left_s
        if self._probe is not None:
            return _PROBE_OUT_S
        self._probe = who
        return 0.0

    def close(self, who: RecordingId, reason: str, *, asked_s: float) -> float:
        """Hold runs back and return for how many seconds; runs that have begun go on.

        Only what the probe meets makes the pause longer: the others began before it.
        """
        now, is_probe = _now(), self._probe == who
        self.reason = reason
        if self._opens_at is None or is_probe:
            self._pauses += 1
            self._probe = None
            self._opens_at = now + pause_s(self._pauses, self._policy, self._jitter(), asked_s=asked_s)
        left_s = max(0.0, self._opens_at - now)
        self._say(now, left_s)
        return left_s or pause_s(1, self._policy, self._jitter(), asked_s=0.0)

    def ease(self) -> None:
        """Let all pass, since the side took something; what it took may yet come to nothing."""
        if self._opens_at is not None:
            self._opens_at = self._probe = None
            self._wake()

    def open(self) -> None:
        """Say that the side served somebody to the end: the outage is over."""
        self.ease()
        if self._since is not None:
            _log.info("queue_resumed", side=self._side, paused_s=round(_now() - self._since, 1))
            self._pauses, self._since = 0, None

    def release(self, who: RecordingId) -> None:
        """Let another run be the probe, where this one ended without finding out."""
        if self._probe == who:
            self._probe = None
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _say(self, now: float, left_s: float) -> None:
        if self._since is None:
            self._since = self._said_at = now
            _log.error("queue_paused", side=self._side, seconds=round(left_s, 1), reason=self.reason)
        elif now - self._said_at >= _REMIND_EVERY_S:
            self._said_at = now
            _log.error("queue_still_paused", side=self._side, paused_s=round(now - self._since), reason=self.reason)


def _now() -> float:
    return asyncio.get_running_loop().time()
