"""The ends of a job, and what each has in common."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from receiver.errors.general import ReceiverError


class Kind(StrEnum):
    """What another try can do: perhaps help, never help, or nothing since the API no longer lists the recording."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    MISSING = "missing"


class JobError(ReceiverError):
    """A run's failure: can another help (`kind`), does it count (`burns_attempt`), and what wait was asked for."""

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.TRANSIENT
    burns_attempt: ClassVar[bool] = True
    remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return "; ".join(filter(None, (super().__str__(), self.remedy)))


class InternalError(JobError):
    """A defect of this service met in a run; the log has the traceback."""


class WorkerCrashedError(JobError):
    """Runs of this recording ended without a word (kill, out of memory) as often as attempts allow."""

    code = "worker_crashed"
    kind = Kind.PERMANENT


# --- the Meetings API ---
