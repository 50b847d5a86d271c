"""The roots of all errors (`happened`, `remedy`), and the refusals of a start, of a question, of a write."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from receiver.records import MeetingId, RejectedRecord

LONGEST_WAIT_S = 86_400.0
"""The longest wait that another side is granted: a `Retry-After` beyond a day is a mistake, or meant to silence us."""


class ReceiverError(Exception):
    """What happened and, apart from it, what to do; neither ever holds a URL's query, a token or a key.

    `remedy` is the class's own, unless an instance was given another; "" where there is nothing to do.
    """

    remedy: str = ""
    joint: ClassVar[str] = "; "
    """What stands between the two where they are shown as one text."""

    def __init__(self, happened: str, remedy: str | None = None) -> None:
        super().__init__(happened)
        self.happened = happened
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return self.joint.join(filter(None, (self.happened, self.remedy)))


class SettingsError(ReceiverError):
    """One or more settings are missing or wrong; the message lists all of them."""

    joint = ": "


class SchemaOutdatedError(ReceiverError):
    """The database is not at the schema this release needs; `receiver migrate` brings it there."""

    joint = ": "


class DatabaseLockedError(ReceiverError):
    """Another process works on this SQLite file; only one may (`DATABASE_URL=postgresql://…` allows many)."""


class StorageUnavailableError(ReceiverError):
    """The database could not take the write now; nothing was stored and the same request may be sent again.

    `reason` is the database's own words, `code` its own name for them: PostgreSQL's SQLSTATE, SQLite's error name.
    """

    def __init__(self, happened: str, remedy: str | None = None, *, reason: str = "", code: str | None = None) -> None:
        super().__init__(happened, remedy)
        self.reason = reason or happened
        self.code = code


class UnreadableError(ReceiverError):
    """Nothing of a delivery's body can be taken in. `errors` name field, problem and remedy.

    `rejected` and `rejected_count` are of its records; `ask` are meetings that it names, for the API to be asked for.
    """

    def __init__(
        self,
        errors: tuple[str, ...],
        rejected: tuple[RejectedRecord, ...] = (),
        *,
        rejected_count: int = 0,
        ask: tuple[MeetingId, ...] = (),
    ) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.rejected = rejected
        self.rejected_count = rejected_count
        self.ask = ask


class FenceLostError(ReceiverError):
    """Another run took the recording over; the run that sees this must stop and change nothing."""


class NotAloneError(ReceiverError):
    """Runs of this recording ended without a word; only a run that is alone in its process may claim it now."""


class NotSentError(ReceiverError):
    """A way to people took no message; this names neither people nor what it was given to say."""


class NotFoundError(ReceiverError):
    """No row has this id."""


class WalkTakenError(ReceiverError):
    """Another process took the reconciliation over; the one that sees this must stop and change nothing."""


class WrongStateError(ReceiverError):
    """The recording's state does not allow the asked change; the message names both."""


class HeldError(ReceiverError):
    """A hold keeps what was to be erased; the message names it."""

    remedy = "release the hold first"


class ReasonError(ReceiverError):
    """The reason that was given cannot stay on record for ever."""


class KeyTakenError(ReceiverError):
    """An object already lies under the key; whether it is ours is for the caller to find out."""


class ManifestUnreadableError(ReceiverError):
    """What lies where a manifest should is none that this release can read."""


class NotRepairableError(ReceiverError):
    """Nothing that can be asked has the bytes that were archived."""


class InvalidQueryError(ReceiverError):
    """A listing's filter, sort, limit or cursor is not understood; the message names the parameter."""


class Kind(StrEnum):
    """What another try can do: perhaps help, never help, or nothing since the API no longer lists the recording."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    MISSING = "missing"


class Side(StrEnum):
    """Whom a run needs, and who can be away or refuse everybody, which is no recording's fault."""

    API = "api"
    STORE = "store"
    SOURCE = "source"


class JobError(ReceiverError):
    """A run's failure: can another help (`kind`), does it count (`burns_attempt`), and what wait was asked for.

    No wait is longer than `LONGEST_WAIT_S`, whatever was asked for. `side` is who may be away or refuse everybody where
    this is met: then it does not count. `needs_hand` says that such an outage ends only when somebody mends it.
    `setting` is the one that is wrong or in the way, where known.
    """

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.TRANSIENT
    burns_attempt: ClassVar[bool] = True
    needs_hand: ClassVar[bool] = False
    side: Side | None = None  # an instance may know that it is of none

    def __init__(
        self,
        happened: str,
        remedy: str | None = None,
        *,
        setting: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(happened, remedy)
        self.setting = setting
        self.retry_after_s = None if retry_after_s is None else min(retry_after_s, LONGEST_WAIT_S)


class InternalError(JobError):
    """A defect of this service met in a run; the log has the traceback."""

    remedy = "its log has the traceback (event run_crashed): report it, then retry the recording"


class WorkerCrashedError(JobError):
    """Runs of this recording ended without a word (kill, out of memory), the last one with no other beside it."""

    code = "worker_crashed"
    remedy = "look at the host's memory and log; `recordings retry` tries it at once"
    burns_attempt = False
