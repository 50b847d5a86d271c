"""What the runs of a process learn from each other: is a side away for all, or is it one recording's own trouble?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver import metrics
from receiver.errors import Side, side_of
from receiver.lifecycle import Lately, RetryPolicy, is_outage
from receiver.pipeline.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from receiver.errors import JobError
    from receiver.records import Claim, RecordingId

_MOST_HOSTS = 256
"""A forged delivery can name any number of them; the longest known is forgotten."""


class Gates:
    """One gate for the Meetings API, one for the bucket, one for each download host that failed lately."""

    def __init__(self, policy: RetryPolicy, *, clock: Callable[[], datetime], jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._sides: dict[tuple[Side, str | None], _SeenSide] = {}

    async def passed(self, who: RecordingId) -> None:
        """Wait until both sides that every recording needs may be asked."""
        for side in (Side.API, Side.STORE):
            await self._of(side).gate.passed(who)

    def host_closed(self, host: str | None, who: RecordingId) -> tuple[float, str] | None:
        """Return how long a run must stay away from the host, and why; None where it may go there."""
        seen = self._sides.get((Side.SOURCE, host))
        if seen is None or not (left_s := seen.gate.left_s(who)):
            return None
        return left_s, seen.gate.reason

    def took(self, side: Side, host: str | None = None) -> None:
        """Note that the side answered, though it has not done all that a recording needs of it."""
        self._of(side, host).gate.ease()
        self._show()

    def served(self, side: Side, who: RecordingId, host: str | None = None) -> None:
        """Note that the side did all that this recording needed of it."""
        seen = self._of(side, host)
        seen.gate.open()
        seen.served.note(who, self._clock())
        self._show()

    def failed(self, error: JobError, claim: Claim, host: str | None) -> float | None:
        """Judge a run's failure: seconds to wait for an outage to end, or None where it is the recording's own."""
        if error.side is None:
            return None
        who, before = claim.recording.id, claim.recording.error
        seen = self._of(error.side, host if error.side is Side.SOURCE else None)
        is_again = before is not None and side_of(before.code) is error.side
        judged = is_outage(
            error,
            failed_before_at=before.at if before is not None and is_again else None,
            others=Lately(served_at=seen.served.besides(who), failed_at=seen.failed.besides(who)),
        )
        if not judged:
            return None
        seen.failed.note(who, self._clock())
        wait_s = seen.gate.close(who, str(error), asked_s=error.retry_after_s or 0.0)
        self._show()
        return wait_s

    def release(self, who: RecordingId) -> None:
        """Say that this recording's run is over: it finds nothing out any more."""
        for seen in self._sides.values():
            seen.gate.release(who)

    def _of(self, side: Side, host: str | None = None) -> _SeenSide:
        seen = self._sides.get((side, host))
        if seen is None:
            hosts = [key for key in self._sides if key[0] is Side.SOURCE]
            if len(hosts) >= _MOST_HOSTS:
                del self._sides[hosts[0]]
            seen = self._sides[side, host] = _SeenSide(Gate(side, self._policy, self._jitter))
        return seen

    def _show(self) -> None:
        closed = [side for (side, _), seen in self._sides.items() if seen.gate.is_closed]
        for side in Side:
            metrics.paused_sides.labels(side=side).set(closed.count(side))
        metrics.queue_paused.set(Side.API in closed or Side.STORE in closed)


class _SeenSide:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.served = _LastTwo()
        self.failed = _LastTwo()


class _LastTwo:
    """When something last happened to each of the two recordings that it happened to last."""

    def __init__(self) -> None:
        self._at: dict[RecordingId, datetime] = {}

    def note(self, who: RecordingId, at: datetime) -> None:
        self._at.pop(who, None)
        self._at[who] = at
        if len(self._at) > 2:
            del self._at[next(iter(self._at))]

    def besides(self, who: RecordingId) -> datetime | None:
        return max((at for other, at in self._at.items() if other != who), default=None)
