"""Making a delivery durable: its row, its recordings' rows and their jobs, in one transaction (P1, P2)."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from receiver.lifecycle import FINAL
from receiver.records import (
    Accepted,
    DeliveryId,
    DeliveryStatus,
    Parsed,
    RecordingFacts,
    RecordingId,
    RejectedRecord,
    State,
    Via,
)
from receiver.tables import Database, deliveries, delivery_recordings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from receiver.jobs import Jobs

# Values of the query parameters that make a download URL a credential, in any JSON spelling of "=".
_URL_SIGNATURE = re.compile(
    rb"(?i)((?:Signature|AWSAccessKeyId|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)(?:=|%3D|\\u003d))"
    rb"[^&\"'\\\s<>]*"
)
_REOPENED = frozenset({State.FAILED, State.MISSING})
"""A later delivery that names such a recording is news of it: it is tried again from the start."""


class Inbox:
    """Takes deliveries in. `keep_urls` says that the payload's URLs are needed, since no API credentials are set."""

    def __init__(self, database: Database, jobs: Jobs, *, keep_urls: bool) -> None:
        self._database = database
        self._jobs = jobs
        self._keep_urls = keep_urls
        self._insert: Any = sqlite.insert if database.is_sqlite else postgresql.insert

    async def accept(self, body: bytes, parsed: Parsed, *, now: datetime) -> Accepted:
        """Store a delivery durably and hand its recordings to the engine; safe to repeat with the same body.

        Raises `StorageUnavailableError`: nothing is known to be stored, send it again.
        """
        status = DeliveryStatus.PARTIAL if parsed.rejected else DeliveryStatus.ACCEPTED
        async with self._database.write() as tx:
            delivery_id, is_new = await self._add_delivery(tx, body, status, parsed.rejected, now)
            if is_new:
                await self._link(tx, delivery_id, parsed.recordings)
                await self._jobs.enqueue(tx, await self._add_recordings(tx, parsed.recordings, now))
            states = await _states(tx, [facts.id for facts in parsed.recordings])
        if is_new:
            self._jobs.wake()
        return Accepted(delivery_id=delivery_id, recordings=states, rejected=parsed.rejected, duplicate=not is_new)

    async def keep_rejected(self, body: bytes, rejected: Sequence[RejectedRecord], *, now: datetime) -> DeliveryId:
        """Store a delivery of which nothing could be used, for replay by a later release; safe to repeat.

        Raises `StorageUnavailableError`.
        """
        async with self._database.write() as tx:
            delivery_id, _ = await self._add_delivery(tx, body, DeliveryStatus.REJECTED, rejected, now)
        return delivery_id

    async def _add_delivery(
        self,
        tx: AsyncConnection,
        body: bytes,
        status: DeliveryStatus,
        rejected: Sequence[RejectedRecord],
        now: datetime,
    ) -> tuple[DeliveryId, bool]:
        """Return (id, whether it is new): of two deliveries of one body, at once or a year apart, one gets a row."""
        digest = hashlib.sha256(body).hexdigest()
        row = {
            "id": new_delivery_id(now),
            "received_at": now,
            "status": status,
            "body_sha256": digest,
            "body_bytes": len(body),
            "body": blank_signatures(body),
            "rejected": [asdict(record) for record in rejected],
        }
        added = self._insert(deliveries).values(row).on_conflict_do_nothing(index_elements=["body_sha256"])
        new_id = (await tx.execute(added.returning(deliveries.c.id))).scalar_one_or_none()
        if new_id is not None:
            return DeliveryId(new_id), True
        first = sa.select(deliveries.c.id).where(deliveries.c.body_sha256 == digest)
        return DeliveryId((await tx.execute(first)).scalar_one()), False

    async def _link(self, tx: AsyncConnection, delivery_id: DeliveryId, facts: Sequence[RecordingFacts]) -> None:
        if facts:
            rows = [{"delivery_id": delivery_id, "position": i, "recording_id": f.id} for i, f in enumerate(facts)]
            await tx.execute(sa.insert(delivery_recordings), rows)

    async def _add_recordings(
        self, tx: AsyncConnection, facts: Sequence[RecordingFacts], now: datetime
    ) -> list[RecordingId]:
        """Add what is new, refresh what is known, and return the ids that need work."""
        if not facts:
            return []
        facts = sorted(facts, key=lambda fact: fact.id)  # one order everywhere, so that writers never deadlock
        rows = [
            self._values(fact)
            | {
                "id": fact.id,
                "state": State.PENDING,
                "created_at": fact.created_at or now,
                "first_seen_via": Via.WEBHOOK,
                "first_seen_at": now,
                "next_attempt_at": now,
            }
            for fact in facts
        ]
        add = self._insert(recordings).on_conflict_do_nothing(index_elements=["id"]).returning(recordings.c.id)
        new = set((await tx.execute(add, rows)).scalars())
        await _add_participants(tx, [fact for fact in facts if fact.id in new])
        known = [fact for fact in facts if fact.id not in new]
        return [fact.id for fact in facts if fact.id in new] + [
            fact.id for fact in known if await self._refresh(tx, fact, now)
        ]

    async def _refresh(self, tx: AsyncConnection, fact: RecordingFacts, now: datetime) -> bool:
        """Bring a known recording up to date, unless it is archived; tell whether it needs work again."""
        columns = recordings.c
        query = sa.select(columns.state, columns.updated_at).where(columns.id == fact.id).with_for_update()
        row = (await tx.execute(query)).one()
        state = State(row.state)
        if state in FINAL - _REOPENED:
            return False
        values: dict[str, Any] = {}
        if row.updated_at is None or (fact.updated_at is not None and fact.updated_at >= row.updated_at):
            values |= self._values(fact)
            await tx.execute(sa.delete(participants).where(participants.c.recording_id == fact.id))
            await _add_participants(tx, [fact])
        if state in _REOPENED:
            values |= {"state": State.PENDING, "attempts": 0, "next_attempt_at": now}
        if values:
            await tx.execute(sa.update(recordings).where(columns.id == fact.id).values(values))
        return state in _REOPENED

    def _values(self, fact: RecordingFacts) -> dict[str, Any]:
        meeting, host = fact.meeting, fact.host
        words = (meeting.name, host.name, host.login, host.email)
        values: dict[str, Any] = {
            "meeting_id": meeting.id,
            "meeting_name": meeting.name,
            "meeting_start_at": meeting.start_date,
            "meeting_end_at": meeting.end_date,
            "host_id": host.id,
            "host_name": host.name,
            "host_login": host.login,
            "host_email": host.email,
            "search_text": "\n".join(word.casefold() for word in words if word),
            "participants_count": fact.participants_count,
            "file_uid": fact.file_uid,
            "duration_s": fact.duration_s,
            "vendor_size": fact.vendor_size,
            "updated_at": fact.updated_at,
        }
        if self._keep_urls:
            values["payload_url"] = fact.payload_url
        return values


async def _add_participants(tx: AsyncConnection, facts: Sequence[RecordingFacts]) -> None:
    rows = [
        {"recording_id": fact.id, "position": position, "user_id": user_id}
        for fact in facts
        for position, user_id in enumerate(fact.participant_ids)
    ]
    if rows:
        await tx.execute(sa.insert(participants), rows)


async def _states(tx: AsyncConnection, ids: Sequence[RecordingId]) -> tuple[tuple[RecordingId, State], ...]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), 500):
        query = sa.select(recordings.c.id, recordings.c.state).where(recordings.c.id.in_(ids[start : start + 500]))
        found.update({row.id: row.state for row in await tx.execute(query)})
    return tuple((recording_id, State(found[recording_id])) for recording_id in ids if recording_id in found)


def blank_signatures(body: bytes) -> bytes:
    """Blank the signatures of the body's URLs: they are credentials, and no run reads them from here."""
    return _URL_SIGNATURE.sub(rb"\1REDACTED", body)


def new_delivery_id(now: datetime) -> DeliveryId:
    """Make an id that sorts by time: 12 hex digits of milliseconds, 20 of chance."""
    return DeliveryId(f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}")
