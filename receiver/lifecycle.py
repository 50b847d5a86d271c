"""The rules of a recording's life: which state may follow which, and what a failed run leads to.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from receiver.errors import JobError, Kind
from receiver.records import State, Via

if TYPE_CHECKING:
    from datetime import datetime

CHANGES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.ARCHIVING, State.CANCELLED}),
    State.ARCHIVING: frozenset(
        # archiving → archiving is a crashed run taken over; → pending a run handed back at shutdown
        {State.ARCHIVING, State.ARCHIVED, State.WAITING, State.FAILED, State.MISSING, State.PENDING}
    ),
    State.WAITING: frozenset({State.ARCHIVING, State.CANCELLED, State.PENDING}),
    State.ARCHIVED: frozenset({State.ERASED}),
    State.FAILED: frozenset({State.PENDING, State.CANCELLED}),
    State.MISSING: frozenset({State.PENDING}),
    State.CANCELLED: frozenset({State.PENDING}),
    State.ERASED: frozenset(),
}


def before(state: State) -> frozenset[State]:
    """Return the states that a recording may leave for `state`."""
    return frozenset(old for old, after in CHANGES.items() if state in after)


CLAIMABLE = before(State.ARCHIVING)
FINAL = frozenset(State) - CLAIMABLE
"""States that no job works on."""

REPLAYABLE = before(State.PENDING) - {State.ARCHIVING}
CANCELLABLE = before(State.CANCELLED)


def reopened_by(via: Via, *, moved: bool = False) -> frozenset[State]:
    """Return the final states that news of a recording ends: it is tried again from the start.

    A delivery is news of each but a cancelled one, which stays the operators'. That a listing names it is news of a
    missing one alone, or a recording that always fails would be tried for ever; unless it is listed under another
    meeting than the runs asked for (`moved`).
    """
    named = {State.FAILED, State.MISSING} if via is Via.WEBHOOK or moved else {State.MISSING}
    return before(State.PENDING) & named


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`base_s` doubles with every counted attempt up to `cap_s`; `max_attempts` runs are the most a recording gets."""

    max_attempts: int
    base_s: float
    cap_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the row becomes after a failed run. `next_attempt_at` is set for `waiting` only."""

    state: State
    attempts: int
    next_attempt_at: datetime | None


def decide(error: JobError, *, attempts: int, policy: RetryPolicy, now: datetime, jitter: float) -> Decision:
    """Decide the row's next state after `error` ended run number `attempts` (counted from 1).

    `jitter` is uniform in [0, 1): full jitter over the exponential step, as in "Exponential Backoff And Jitter"
    (AWS Architecture Blog, 2015). The other side's `Retry-After` is a floor, and may exceed the policy's cap.
    """
    counted = attempts if error.burns_attempt else attempts - 1
    match error.kind:
        case Kind.PERMANENT:
            return Decision(state=State.FAILED, attempts=attempts, next_attempt_at=None)
        case Kind.MISSING:
            return Decision(state=State.MISSING, attempts=attempts, next_attempt_at=None)
        case Kind.TRANSIENT:
            if counted >= policy.max_attempts:
                return Decision(state=State.FAILED, attempts=counted, next_attempt_at=None)
            wait_s = backoff_s(max(counted, 1), policy, jitter)
            wait_s = max(wait_s, error.retry_after_s or 0.0)
            return Decision(state=State.WAITING, attempts=counted, next_attempt_at=now + timedelta(seconds=wait_s))
        case _:
            assert_never(error.kind)


def backoff_s(attempt: int, policy: RetryPolicy, jitter: float) -> float:
    """Seconds to wait after run number `attempt` (from 1): jitter * min(cap, base * 2^(attempt - 1))."""
    exponent = min(attempt - 1, 32)  # keeps the float finite; any sensible cap is met long before
    return jitter * min(policy.cap_s, policy.base_s * 2.0**exponent)
