"""How a run ends that archived nothing: what the row, the log and the counters say of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from receiver import logs, metrics
from receiver.errors import (
    FenceLostError,
    JobError,
    Kind,
    Side,
    SourceError,
    SourceIncompleteError,
    StorageUnavailableError,
    StoreChecksumError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
    WorkerCrashedError,
    codes,
)
from receiver.records import Failure, State

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from receiver.lifecycle import Decision
    from receiver.pipeline.parts import StoreKnowledge

metrics.foresee(metrics.runs, "outcome", ("archived", "abandoned", *codes()))
_MAX_MESSAGE_CHARS = 1000
_NAMES = {Side.API: "the Meetings API", Side.STORE: "the bucket", Side.SOURCE: "that host"}
_log = logs.get("pipeline")


async def to_the_end(write: Coroutine[Any, Any, None]) -> bool:
    """Let a run's last write end, whoever cancels the run meanwhile; tell whether the database took it.

    A row that the run may no longer write is left as it is.
    """
    writing = asyncio.ensure_future(write)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        writing.exception()  # looked at: whether or not it wrote, this run is over
        raise
    except FenceLostError as e:
        report_abandoned(e)
    except StorageUnavailableError as e:
        report_abandoned(e)
        return False
    return True


def report_abandoned(error: Exception) -> None:
    metrics.runs.labels(outcome="abandoned").inc()
    _log.warning("run_abandoned", error=str(error))


async def judged(error: JobError, store: StoreKnowledge) -> JobError:
    """Take a refusal of what the store took before for no fault of the recording: it is tried with other requests."""
    if not isinstance(error, StoreRefusedError | StoreChecksumError):
        return error
    try:
        is_changed = await store.is_changed()
    except (StoreError, StorageUnavailableError) as e:
        _log.warning("store_not_tried_again", error=str(e))
        return error
    if not is_changed:
        return error
    return StoreUnavailableError(f"{error.happened}; the store does other things than before, and was tried anew", "")


def failure_of(error: JobError, decision: Decision, *, at: datetime) -> Failure:
    """Write down why the run failed: what happened, what to do, and what goes on by itself."""
    refused = error.refused if isinstance(error, SourceError) else None
    return Failure(
        code=error.code,
        message=_kept("; ".join(filter(None, (str(error), what_follows(error, decision))))),
        at=at,
        origin=_kept(refused or "") or None,
        setting=error.setting,
        cut_sha256=error.sha256 if isinstance(error, SourceIncompleteError) else None,
    )


def what_follows(error: JobError, decision: Decision) -> str:
    """Say what is true of the row from now on; "" where the error says it all."""
    if decision.is_outage and error.side is not None:
        who = _NAMES[error.side]
        if error.needs_hand:
            return f"all that waits for {who} goes on by itself once that is done, and no attempt is counted meanwhile"
        return f"it waits for {who} and goes on by itself, and no attempt is counted meanwhile"
    if error.kind is not Kind.TRANSIENT or not error.burns_attempt:
        return ""
    if decision.state is State.FAILED:
        return f"all {decision.attempts} attempts are used up, so it is tried again only when you retry it"
    return f"it is tried again by itself ({decision.attempts} attempts so far)"


def report(decision: Decision, failure: Failure) -> None:
    """Log and count what became of the run."""
    metrics.runs.labels(outcome=failure.code).inc()
    fields = {"code": failure.code, "error": failure.message}
    if failure.code == WorkerCrashedError.code:
        _log.error("recording_set_aside", next_attempt_at=str(decision.next_attempt_at), **fields)
    elif decision.state is State.WAITING:
        _log.warning("recording_rescheduled", next_attempt_at=str(decision.next_attempt_at), **fields)
    else:
        _log.error(f"recording_{decision.state}", **fields)


def _kept(text: str) -> str:
    return logs.redact(text)[:_MAX_MESSAGE_CHARS]
