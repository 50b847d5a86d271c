"""Making a delivery durable: its row, its recordings' rows and their jobs, in one transaction (P1, P2).

What a listing names and no delivery brought takes the same way, without a delivery's row. Deliveries that arrive
together share a transaction (`batch`), whose statements are few (`catalogue.intake`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DataError, DBAPIError

from receiver import failpoints, logs, metrics
from receiver.catalogue import Changes, Incoming, Intake, Stored
from receiver.errors import StorageUnavailableError
from receiver.failpoints import Failpoint
from receiver.inbox.batch import Batcher
from receiver.records import Accepted, DeliveryId, DeliveryStatus, Parsed, RecordingFacts, RejectedRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from receiver.jobs import Jobs
    from receiver.records import RecordingId, Via
    from receiver.tables import Database

    Write = Callable[[sa.Connection], tuple["T", Changes]]

T = TypeVar("T")

_log = logs.get("inbox")
# Values of the query parameters that make a download URL a credential, in any JSON spelling of "=".
_URL_SIGNATURE = re.compile(
    rb"(?i)((?:Signature|AWSAccessKeyId|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)(?:=|%3D|\\u003d))"
    rb"[^&\"'\\\s<>]*"
)
_POSTGRES_WRITERS = 2
"""Transactions at a time: while one waits for the disk, the other fills."""
_TRIES = 4
"""PostgreSQL may end one of two transactions that wait for each other; which one is its choice, and once more helps."""
_LOST_RACES = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_REFUSALS = frozenset(
    {"22", "23", "42", "P0"}
)  # SQLSTATE classes: data, constraint, syntax or access, raised in a trigger


class Inbox:
    """Takes deliveries in. `keep_urls` says that the payload's URLs are needed, since no API credentials are set."""

    def __init__(self, database: Database, jobs: Jobs, *, keep_urls: bool) -> None:
        self._database = database
        self._jobs = jobs
        self._intake = Intake(database, keep_urls=keep_urls)
        self._batcher: Batcher[Incoming, Stored] = Batcher(
            lambda batch: self._commit(lambda tx: self._intake.write(tx, batch)),
            blames=_blames_a_delivery,
            weigh=lambda incoming: len(incoming.facts),
            writers=1 if database.is_sqlite else _POSTGRES_WRITERS,
        )

    async def accept(self, body: bytes, parsed: Parsed, *, now: datetime) -> Accepted:
        """Store a delivery durably and hand its recordings to the engine; safe to repeat with the same body.

        Raises `StorageUnavailableError`: nothing is known to be stored, send it again.
        """
        status = DeliveryStatus.PARTIAL if parsed.rejected else DeliveryStatus.ACCEPTED
        stored = await self._batcher.submit(_incoming(body, status, parsed.recordings, parsed.rejected, now))
        return Accepted(
            delivery_id=stored.delivery_id,
            recordings=stored.states,
            rejected=parsed.rejected,
            duplicate=not stored.is_new,
        )

    async def keep_rejected(self, body: bytes, rejected: Sequence[RejectedRecord], *, now: datetime) -> DeliveryId:
        """Store a delivery of which nothing could be used, for replay by a later release; safe to repeat.

        Raises `StorageUnavailableError`.
        """
        stored = await self._batcher.submit(_incoming(body, DeliveryStatus.REJECTED, (), rejected, now))
        return stored.delivery_id

    async def accept_found(self, facts: Sequence[RecordingFacts], *, via: Via, now: datetime) -> frozenset[RecordingId]:
        """Store recordings that a listing named and the catalogue lacks, as a delivery's; return the new ones.

        Those that were given up as missing are taken up again. Safe to repeat; raises `StorageUnavailableError`.
        """
        return await self._commit(lambda tx: self._intake.write_found(tx, facts, via=via, at=now))

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
            if changes.work:
                self._jobs.enqueue(tx, changes.work)
            return stored, changes

        stored, changes = await self._database.write(write_and_enqueue)
        failpoints.reach(Failpoint.DELIVERY_COMMITTED)
        if changes.work:
            self._jobs.wake()
        for recording_id in changes.unfetched:
            metrics.changed_files.labels(outcome="not_fetched").inc()
            _log.warning("recording_file_changed", recording_id=recording_id)
        return stored


def _incoming(
    body: bytes,
    status: DeliveryStatus,
    facts: tuple[RecordingFacts, ...],
    rejected: Sequence[RejectedRecord],
    now: datetime,
) -> Incoming:
    row = {
        "id": new_delivery_id(now),
        "received_at": now,
        "status": status,
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "body_bytes": len(body),
        "body": blank_signatures(body),
        "rejected": [asdict(record) for record in rejected],
    }
    return Incoming(row=row, facts=facts)


def _blames_a_delivery(error: Exception) -> bool:
    """Tell a database that refuses a value from one that is not there; drivers report both in many ways."""
    if not isinstance(error, StorageUnavailableError):
        return True
    cause = error.__cause__
    refused = isinstance(cause, DBAPIError) and isinstance(getattr(cause.orig, "__cause__", None), ValueError)
    return refused or isinstance(cause, DataError) or _sqlstate(error)[:2] in _REFUSALS


def _sqlstate(error: StorageUnavailableError) -> str:
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) or ""


def blank_signatures(body: bytes) -> bytes:
    """Blank the signatures of the body's URLs: they are credentials, and no run reads them from here."""
    return _URL_SIGNATURE.sub(rb"\1REDACTED", body)


def new_delivery_id(now: datetime) -> DeliveryId:
    """Make an id that sorts by time: 12 hex digits of milliseconds, 20 of chance."""
    return DeliveryId(f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}")
