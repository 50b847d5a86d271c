"""The rules of a recording's life: which state may follow which, and when a failed run is tried again.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from receiver.backoff import growing_pause_s
from receiver.errors import JobError, Kind
from receiver.records import State, Via

if TYPE_CHECKING:
    from datetime import datetime

_WORKED: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.ARCHIVING, State.CANCELLED}),
    State.ARCHIVING: frozenset(
        # archiving → archiving is a crashed run taken over; → pending a run handed back at shutdown
        {State.ARCHIVING, State.ARCHIVED, State.WAITING, State.FAILED, State.MISSING, State.PENDING}
    ),
    State.WAITING: frozenset({State.ARCHIVING, State.CANCELLED, State.PENDING}),
    State.ARCHIVED: frozenset(),
    State.FAILED: frozenset({State.PENDING, State.CANCELLED}),
    State.MISSING: frozenset({State.PENDING}),
    State.CANCELLED: frozenset({State.PENDING}),
}
CHANGES = {state: after | {State.ERASED} for state, after in _WORKED.items()} | {State.ERASED: frozenset[State]()}
"""Whatever is kept can be erased, and nothing comes after that."""


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
    is_outage: bool = False
    """Whether the run failed for what concerns all recordings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """When a side last served a recording to the end, and when it last failed one."""

    served_at: datetime | None = None
    failed_at: datetime | None = None


def is_outage(error: JobError, *, failed_before_at: datetime | None, others: Lately) -> bool:
    """Tell whether a failure is its side's and not the recording's, judged by how the side served `others`.

    It is the recording's own once the same side failed its run before (at `failed_before_at`), has served another
    since, and failed no other after that. So the first to meet an outage is not counted either, and one recording that
    can never succeed neither holds the others back for long nor is tried without end.
    """
    if error.side is None:
        return False
    if not error.burns_attempt or failed_before_at is None or others.served_at is None:
        return True
    has_served_since = others.served_at > failed_before_at
    return not has_served_since or (others.failed_at is not None and others.failed_at >= others.served_at)


_LONGEST_PAUSE_S = 30.0
_LONGEST_ASKED_S = 3600.0
"""A `Retry-After` beyond this is taken for a mistake: nothing is put off for years."""


def pause_s(number: int, policy: RetryPolicy, jitter: float, *, asked_s: float) -> float:
    """Seconds to leave a side alone that failed, the `number`-th time in a row (from 1), or as long as it asked.

    It grows as a recording's own wait does, but only so far that all goes on within a minute after a long outage.
    """
    step_s = policy.base_s * 2.0 ** min(number - 1, 32) * (0.5 + jitter / 2)
    return min(_LONGEST_PAUSE_S, max(min(policy.cap_s, step_s), asked_s))


def wait_out(*, attempts: int, now: datetime, left_s: float, asked_s: float = 0.0) -> Decision:
    """Decide for a run that an outage ended: it does not count, and comes again after the pause, or as it was asked."""
    again_at = now + timedelta(seconds=max(left_s, min(asked_s, _LONGEST_ASKED_S)))
    return Decision(state=State.WAITING, attempts=attempts - 1, next_attempt_at=again_at, is_outage=True)


def decide(error: JobError, *, attempts: int, policy: RetryPolicy, now: datetime, jitter: float) -> Decision:
    """Decide the row's next state after `error` ended run number `attempts` (counted from 1).

    `jitter` is uniform in [0, 1): full jitter over the exponential step, as in "Exponential Backoff And Jitter"
    (AWS Architecture Blog, 2015). The other side's `Retry-After` is a floor, and may exceed the policy's cap, up to an
    hour.
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
            wait_s = max(wait_s, min(error.retry_after_s or 0.0, _LONGEST_ASKED_S))
            return Decision(state=State.WAITING, attempts=counted, next_attempt_at=now + timedelta(seconds=wait_s))
        case _:
            assert_never(error.kind)


SUSPECT_AFTER = 3
"""So many runs in a row that ended without a word make a suspect: its next runs are alone in their process.

A crash of the host hits all that ran then. What ran alone in a crash is set aside, most likely its cause.
"""
_FIRST_ASIDE = timedelta(minutes=5)
_LONGEST_ASIDE = timedelta(days=1)


def after_crash(crashes: int, *, attempts: int, now: datetime) -> Decision | None:
    """Decide what follows from a run that ended without a word, the recording's `crashes`-th in a row.

    None: it is run again at once. It is set aside for 5 minutes once it crashed alone, twice as long each time after,
    for a day at most, and never for good. `attempts` counts the run that crashed, which is not to be counted.
    """
    alone = crashes - SUSPECT_AFTER
    if alone <= 0:
        return None
    aside = min(_LONGEST_ASIDE, _FIRST_ASIDE * 2 ** min(alone - 1, 16))
    return Decision(state=State.WAITING, attempts=attempts - 1, next_attempt_at=now + aside)


def backoff_s(attempt: int, policy: RetryPolicy, jitter: float) -> float:
    """Seconds to wait after run number `attempt` (from 1): jitter * min(cap, base * 2^(attempt - 1))."""
    return jitter * growing_pause_s(attempt, policy.base_s, policy.cap_s)
