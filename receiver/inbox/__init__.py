"""Making a delivery durable: its row, its recordings' rows and their jobs, in one transaction (P1, P2).

What a listing names and no delivery brought takes the same way, without a delivery's row. Deliveries that arrive
together share a transaction (`batch`), whose statements are few (`catalogue.intake`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DataError, DBAPIError

from receiver import failpoints, logs, metrics
from receiver.catalogue import Changes, Incoming, Intake, Stored
from receiver.errors import StorageUnavailableError, UnreadableError
from receiver.failpoints import Failpoint
from receiver.inbox.batch import MOST_WEIGHT, Batcher
from receiver.meetings.redaction import without_person, without_recordings
from receiver.records import Accepted, DeliveryId, DeliveryStatus, Parsed, RecordingFacts, RejectedRecord
from receiver.tables import MISSING_RIGHT
from receiver.threads import unless_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from receiver.jobs import Jobs
    from receiver.records import Actor, Delivery, RecordingId, Via
    from receiver.tables import Database
    from receiver.traces import Trace

    Write = Callable[[sa.Connection], tuple["T", Changes]]

T = TypeVar("T")

_log = logs.get("inbox")
_CREDENTIALS = ("Signature", "AWSAccessKeyId", "X-Amz-Credential", "X-Amz-Security-Token")
"""Ends of the names of query parameters that make a download URL a credential."""
_EQUALS = {"=": "=", "%3D": "%3[Dd]", r"\\u003d": r"\\[Uu]003[Dd]"}
"""Each JSON spelling of what stands behind a name: within a pattern without regard to case, and in one with."""
# Begins with what is rare: to look for names at every byte costs ten times as much (24 us a delivery, 2026-11-28).
_AFTER_NAME = "|".join(
    f"{pattern}(?i:{'|'.join(f'(?<={name}{equals})' for name in _CREDENTIALS)})" for equals, pattern in _EQUALS.items()
)
_URL_SIGNATURE = re.compile(f"({_AFTER_NAME})[^&\"'\\\\\\s<>]*".encode())
_POSTGRES_WRITERS = 2
"""Transactions at a time: while one waits for the disk, the other fills."""
_TRIES = 4
"""PostgreSQL may end one of two transactions that wait for each other; which one is its choice, and once more helps."""
_LOST_RACES = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_REFUSALS = frozenset({"22", "23", "42", "54", "P0"})
"""SQLSTATE classes: data, constraint, syntax (but for a missing right), limit exceeded, raised in a trigger."""
_TOO_MANY = ("too many SQL variables", "query arguments cannot exceed")
"""What drivers say of a statement that they do not even send; their classes say no more than that of an outage."""


class Inbox:
    """Takes deliveries in. `keep_urls` says that the payload's URLs are needed, since no API credentials are set."""

    def __init__(self, database: Database, jobs: Jobs, *, keep_urls: bool) -> None:
        self._database = database
        self._jobs = jobs
        self._intake = Intake(database, keep_urls=keep_urls, without=without_recordings, without_persons=without_person)
        self._batcher: Batcher[Incoming, Stored | None] = Batcher(
            lambda batch: self._commit(lambda tx: self._intake.write(tx, batch)),
            blames=is_refused,
            weigh=lambda incoming: sum(map(_rows, incoming.facts)),
            writers=1 if database.is_sqlite else _POSTGRES_WRITERS,
        )

    async def accept(self, body: bytes, parsed: Parsed, *, now: datetime, trace: Trace | None = None) -> Accepted:
        """Store a delivery durably and hand its recordings to the engine; safe to repeat with the same body.

        `trace` is the one that the sender named.

        Raises `StorageUnavailableError`: nothing is known to be stored, send it again.
        """
        read = _read_as(parsed) | {"traceparent": None if trace is None else trace.header()}
        row = await unless_small(len(body), _row_of, body, read, now)
        accepted = await self._take(row, parsed, is_kept=False)
        assert accepted is not None  # noqa: S101  (a row is made for a body that is not kept)
        return accepted

    async def replay(
        self, delivery: Delivery, parsed: Parsed, *, is_read: bool, now: datetime, by: Actor | None = None
    ) -> Accepted | None:
        """Take a stored delivery in again, as its body is read now; None where it is not stored any more.

        Where it is not `is_read`, the delivery stays as it was noted, and its meetings are asked for. The log says that
        it was done `by` somebody.

        What is lacking is added, and what had failed or was missing is taken up again, as with the very same body; what
        is known of other recordings is newer and stays. Safe to repeat; raises `StorageUnavailableError`.
        """
        row = {"id": delivery.id, "body_sha256": delivery.body_sha256, "received_at": now} | _read_as(parsed)
        return await self._take(row, parsed, is_kept=True, is_read=is_read, by=by)

    async def keep_rejected(self, body: bytes, rejected: Sequence[RejectedRecord], *, now: datetime) -> DeliveryId:
        """Store a delivery of which nothing could be used, for replay by a later release; safe to repeat.

        Raises `StorageUnavailableError`.
        """
        return await self.keep_unreadable(body, UnreadableError((), tuple(rejected)), now=now)

    async def keep_unreadable(self, body: bytes, error: UnreadableError, *, now: datetime) -> DeliveryId:
        """Store a delivery of which nothing could be used, and why; safe to repeat.

        Raises `StorageUnavailableError`.
        """
        read = {
            "status": DeliveryStatus.REJECTED,
            "rejected": [asdict(record) for record in error.rejected],
            "recordings_count": 0,
            "rejected_count": error.rejected_count or len(error.rejected),
            "reason": str(error) or None,
            "traceparent": None,
        }
        row = await unless_small(len(body), _row_of, body, read, now)
        stored = await self._batcher.submit(Incoming(row=row, facts=(), ask=error.ask))
        assert stored is not None  # noqa: S101  (a row is made for a body that is not kept)
        return stored.delivery_id

    async def accept_found(self, facts: Sequence[RecordingFacts], *, via: Via, now: datetime) -> frozenset[RecordingId]:
        """Store recordings that a listing named and the catalogue lacks, as a delivery's; return the new ones.

        Those that were given up as missing are taken up again. Safe to repeat; raises `StorageUnavailableError`.
        """
        new: frozenset[RecordingId] = frozenset()
        for some in _slices(facts):
            new |= await self._commit(partial(self._intake.write_found, facts=some, via=via, at=now))
        return new

    async def _take(
        self, row: dict[str, Any], parsed: Parsed, *, is_kept: bool, is_read: bool = True, by: Actor | None = None
    ) -> Accepted | None:
        """Store a delivery with its first recordings, then the others, so that none waits long for another's."""
        first, *others = _slices(parsed.recordings) or [()]
        named = tuple(facts.id for facts in parsed.recordings) if is_read else None
        incoming = Incoming(row=row, facts=first, named=named, ask=parsed.ask, is_kept=is_kept, by=by)
        stored = await self._batcher.submit(incoming)
        if stored is None:
            return None
        states = [*stored.states]
        for facts in others:
            more = await self._batcher.submit(Incoming(row=row, facts=facts, is_kept=True, is_more=stored.is_new))
            states += more.states if more else ()
        return Accepted(
            delivery_id=stored.delivery_id,
            recordings=tuple(states),
            rejected=parsed.rejected,
            duplicate=not stored.is_new,
        )

    async def _commit(self, write: Write[T]) -> T:
        for last in range(1, _TRIES + 1):
            try:
                return await self._commit_once(write)
            except StorageUnavailableError as e:
                if last == _TRIES or _sqlstate(e) not in _LOST_RACES:
                    raise
        raise AssertionError  # pragma: no cover

    async def _commit_once(self, write: Write[T]) -> T:
        def write_and_enqueue(tx: sa.Connection) -> tuple[T, Changes]:
            stored, changes = write(tx)
            for start in range(0, len(changes.work), MOST_WEIGHT):
                self._jobs.enqueue(tx, changes.work[start : start + MOST_WEIGHT])
            return stored, changes

        stored, changes = await self._database.write(write_and_enqueue)
        failpoints.reach(Failpoint.DELIVERY_COMMITTED)
        if changes.work:
            self._jobs.wake()
        for recording_id in changes.unfetched:
            metrics.changed_files.labels(outcome="not_fetched").inc()
            _log.warning("recording_file_changed", recording_id=recording_id)
        return stored


def _read_as(parsed: Parsed) -> dict[str, Any]:
    """Return what of a delivery's row says how its body was read."""
    return {
        "status": DeliveryStatus.PARTIAL if parsed.rejected else DeliveryStatus.ACCEPTED,
        "rejected": [asdict(record) for record in parsed.rejected],
        "recordings_count": len(parsed.recordings),
        "rejected_count": parsed.rejected_count or len(parsed.rejected),
        "reason": None,
    }


def _row_of(body: bytes, read: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": new_delivery_id(now),
        "received_at": now,
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "body_bytes": len(body),
        "body": blank_signatures(body),
    } | read


def _rows(facts: RecordingFacts) -> int:
    """Weigh a recording: a participant's row is a fifth of the work, an attendee's with what finds it two fifths."""
    return 1 + (len(facts.vendor.participant_ids) + 2 * len(facts.attendees or ())) // 5


def _slices(facts: Sequence[RecordingFacts]) -> list[tuple[RecordingFacts, ...]]:
    """Cut into what one transaction may hold."""
    if sum(map(_rows, facts)) <= MOST_WEIGHT:
        return [tuple(facts)] if facts else []
    slices: list[list[RecordingFacts]] = [[]]
    room = MOST_WEIGHT
    for one in facts:
        rows = _rows(one)
        if rows > room and slices[-1]:
            slices.append([])
            room = MOST_WEIGHT
        slices[-1].append(one)
        room -= rows
    return list(map(tuple, slices))


def is_refused(error: Exception) -> bool:
    """Tell a database, or its driver, that refuses what a delivery says from one that is not there."""
    if not isinstance(error, StorageUnavailableError):
        return True
    cause = error.__cause__
    if _sqlstate(error) == MISSING_RIGHT:
        return False
    if isinstance(cause, DataError) or _sqlstate(error)[:2] in _REFUSALS:
        return True
    said = getattr(cause.orig, "__cause__", None) if isinstance(cause, DBAPIError) else None
    return isinstance(said, ValueError) or any(words in str(cause) for words in _TOO_MANY)


def reason_of(error: Exception) -> str:
    """Return the driver's name for a refusal; its words may hold what the delivery says of people."""
    told = error.__cause__ if isinstance(error, StorageUnavailableError) else error
    code = _sqlstate(error) if isinstance(error, StorageUnavailableError) else getattr(told, "code", None)
    return f"{type(told).__name__}{f', {code}' if code else ''}"


def _sqlstate(error: StorageUnavailableError) -> str:
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""


def blank_signatures(body: bytes) -> bytes:
    """Blank the signatures of the body's URLs: they are credentials, and no run reads them from here."""
    return _URL_SIGNATURE.sub(_redacted, body)


def _redacted(found: re.Match[bytes]) -> bytes:
    return found[1] + b"REDACTED"


def new_delivery_id(now: datetime) -> DeliveryId:
    """Make an id that sorts by time: 12 hex digits of milliseconds, 20 of chance."""
    return DeliveryId(f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}")
