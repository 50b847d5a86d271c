"""The table of states, and the arithmetic of retries."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import receiver
from receiver import errors
from receiver.errors import JobError, Kind
from receiver.lifecycle import (
    CANCELLABLE,
    CHANGES,
    CLAIMABLE,
    FINAL,
    REPLAYABLE,
    Decision,
    Lately,
    RetryPolicy,
    after_crash,
    backoff_s,
    decide,
    is_outage,
    pause_s,
    wait_out,
)
from receiver.records import State

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=4, base_s=5, cap_s=30)

# design §3, and what it implies: a crashed run is taken over, an interrupted one handed back, and whatever is kept can
# be erased
ALLOWED = {
    ("pending", "archiving"),
    ("pending", "cancelled"),
    ("archiving", "archived"),
    ("archiving", "waiting"),
    ("archiving", "failed"),
    ("archiving", "missing"),
    ("archiving", "archiving"),
    ("archiving", "pending"),
    ("waiting", "archiving"),
    ("waiting", "cancelled"),
    ("waiting", "pending"),
    ("failed", "pending"),
    ("failed", "cancelled"),
    ("missing", "pending"),
    ("cancelled", "pending"),
    *((state.value, "erased") for state in State if state is not State.ERASED),
}


def test_only_the_designed_changes_are_allowed() -> None:
    assert {(old, new) for old, after in CHANGES.items() for new in after} == ALLOWED


def test_the_sets_follow_from_the_table() -> None:
    assert set(CLAIMABLE) == {"pending", "archiving", "waiting"}
    assert set(REPLAYABLE) == {"waiting", "failed", "missing", "cancelled"}
    assert set(CANCELLABLE) == {"pending", "waiting", "failed"}
    assert set(FINAL) == {"archived", "failed", "missing", "cancelled", "erased"}


@pytest.mark.parametrize(
    ("error", "attempts", "jitter", "state", "counted", "wait_s"),
    [
        (errors.ApiUnavailableError("x"), 1, 1.0, "waiting", 1, 5),  # 5 * 2^0
        (errors.ApiUnavailableError("x"), 2, 1.0, "waiting", 2, 10),  # 5 * 2^1
        (errors.ApiUnavailableError("x"), 3, 0.5, "waiting", 3, 10),  # half of 5 * 2^2
        (errors.ApiUnavailableError("x"), 4, 1.0, "failed", 4, None),  # the fourth of four
        (errors.ApiUnavailableError("x", retry_after_s=90), 1, 1.0, "waiting", 1, 90),
        (errors.ApiPausedError("x", retry_after_s=9), 4, 1.0, "waiting", 3, 20),  # a floor above the cap
        (errors.ApiUnavailableError("x", retry_after_s=1), 2, 1.0, "waiting", 2, 10),  # a floor below the step
        (errors.SourceUnavailableError("x", retry_after_s=9_999_999_999), 1, 1.0, "waiting", 1, 3_600),  # 317 years
        (errors.ApiPausedError("x", retry_after_s=float("9" * 400)), 1, 1.0, "waiting", 0, 3_600),  # infinity
        (errors.StoreUnavailableError("x", retry_after_s=1e300), 1, 1.0, "waiting", 1, 3_600),
        (errors.SourceTooLargeError("x"), 1, 1.0, "failed", 1, None),
        (errors.RecordingGoneError("x"), 2, 1.0, "missing", 2, None),
        (errors.RecordingNotListedYetError("x"), 1, 1.0, "waiting", 0, 5),
        (errors.RecordingNotListedYetError("x"), 4, 1.0, "waiting", 3, 20),  # never uses attempts up
        (
            errors.ApiUnavailableError("x", retry_after_s=1e10),
            1,
            1.0,
            "waiting",
            1,
            3600,
        ),  # a mistake of the other side
    ],
)
def test_decide(error: JobError, attempts: int, jitter: float, state: str, counted: int, wait_s: float | None) -> None:
    decision = decide(error, attempts=attempts, policy=POLICY, now=NOW, jitter=jitter)
    assert decision.state == state
    assert decision.attempts == counted
    assert decision.next_attempt_at == (None if wait_s is None else NOW + timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("crashes", "aside"),
    [
        (1, None),
        (3, None),  # a suspect: run again, alone
        (4, timedelta(minutes=5)),  # it crashed alone
        (5, timedelta(minutes=10)),
        (8, timedelta(minutes=80)),
        (13, timedelta(days=1)),
        (1_000_000, timedelta(days=1)),  # never for good
    ],
)
def test_after_a_crash(crashes: int, aside: timedelta | None) -> None:
    decision = after_crash(crashes, attempts=2, now=NOW)
    if aside is None:
        assert decision is None
    else:
        assert decision == Decision(state=State.WAITING, attempts=1, next_attempt_at=NOW + aside)


EARLIER, LATER, LAST = (NOW + timedelta(seconds=n) for n in (-1, 1, 2))


@pytest.mark.parametrize(
    ("error", "failed_before_at", "others", "expected"),
    [
        (errors.SourceNotFoundError("x"), None, Lately(), False),  # no side is away
        (errors.ApiUnavailableError("x"), None, Lately(served_at=LATER), True),  # the first time in a row
        (errors.ApiUnavailableError("x"), NOW, Lately(), True),  # nobody is served
        (errors.ApiUnavailableError("x"), NOW, Lately(served_at=EARLIER), True),  # nobody since
        (errors.ApiUnavailableError("x"), NOW, Lately(served_at=LATER), False),
        (errors.ApiUnavailableError("x"), NOW, Lately(served_at=LATER, failed_at=EARLIER), False),
        (errors.ApiUnavailableError("x"), NOW, Lately(served_at=LATER, failed_at=LAST), True),  # down again
        (errors.StoreDeniedError("x"), NOW, Lately(served_at=LATER), False),
        (errors.SourceStalledError("x"), NOW, Lately(served_at=LATER), False),
        (errors.ApiPausedError("x"), NOW, Lately(served_at=LATER), True),  # asked to wait: no try at all
    ],
)
def test_an_outage_is_told_from_a_recordings_own_trouble(
    error: JobError, failed_before_at: datetime | None, others: Lately, expected: bool
) -> None:
    assert is_outage(error, failed_before_at=failed_before_at, others=others) is expected


def test_a_run_that_an_outage_ended_is_not_counted() -> None:
    decision = wait_out(attempts=3, now=NOW, left_s=7)
    assert decision == Decision(
        state=State.WAITING, attempts=2, next_attempt_at=NOW + timedelta(seconds=7), is_outage=True
    )
    asked = [wait_out(attempts=3, now=NOW, left_s=7, asked_s=s).next_attempt_at for s in (60, 1e10)]
    assert asked == [NOW + timedelta(seconds=60), NOW + timedelta(hours=1)]


@pytest.mark.parametrize(
    ("number", "jitter", "asked_s", "expected_s"),
    [
        (1, 1.0, 0, 5),
        (1, 0.0, 0, 2.5),
        (3, 1.0, 0, 20),
        (50, 1.0, 0, 30),
        (50, 0.0, 0, 30),
        (1, 0.0, 10, 10),
        (9, 1.0, 900, 30),
    ],
)
def test_a_pause_grows_but_stays_short(number: int, jitter: float, asked_s: float, expected_s: float) -> None:
    """After a night all goes on within a minute."""
    policy = RetryPolicy(max_attempts=8, base_s=5, cap_s=3600)
    assert pause_s(number, policy, jitter, asked_s=asked_s) == expected_s


@given(attempt=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded_and_finite(attempt: int, jitter: float) -> None:
    assert 0 <= backoff_s(attempt, POLICY, jitter) <= POLICY.cap_s


def _all_errors(kind: type[JobError]) -> list[type[JobError]]:
    children = kind.__subclasses__()
    return [found for child in children for found in _all_errors(child)] if children else [kind]


def test_every_job_error_has_a_code_of_its_own() -> None:
    kinds = [kind for kind in _all_errors(JobError) if kind not in (JobError, errors.InternalError)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert "internal_error" not in codes
    assert all(kind.kind in Kind for kind in kinds)


def test_a_state_is_written_in_one_place() -> None:
    """The UPDATE in `catalogue.states` alone; a new row is pending, one of a rebuilt index archived or erased."""
    found = []
    for path in (Path(receiver.__file__).parent / "catalogue").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), keywords=keywords):
                    found += [f"{path.stem}: {name}(state=)" for keyword in keywords if keyword.arg == "state"]
                case ast.Dict(keys=keys):
                    named = [key.value for key in keys if isinstance(key, ast.Constant)]
                    found += [f"{path.stem}: state"] * named.count("state")
    assert sorted(found) == ["erasure_rows: state", "intake: state", "rebuilding: state", "states: values(state=)"]
