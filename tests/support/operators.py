"""Operators of the API and the page in tests: their tokens, rows to look at, and what lies outside both."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import SecretStr

from receiver.api import ProbeParts
from receiver.catalogue import Catalogue, Holds, Interventions
from receiver.catalogue.indexing import reindex
from receiver.records import State
from receiver.settings import OpsToken, Role
from receiver.tables import attendees, deliveries, delivery_recordings, participants, recordings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from receiver.records import Recording
    from receiver.tables import Database

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEWER, OPERATOR, ADMIN = "viewer-token-0123456789", "operator-ключ-0123456789", "admin-token-0123456789"
TOKENS = (
    OpsToken("ci", Role.VIEWER, SecretStr(VIEWER)),
    OpsToken("alice", Role.OPERATOR, SecretStr(OPERATOR)),
    OpsToken("root", Role.ADMIN, SecretStr(ADMIN)),
)
SIGNED = "https://team.s3.example.com/recordings/a%20b.mp4?X-Amz-Signature=c0ffee&response-content-disposition=x%22y"


@dataclass
class Outside:
    """What either is composed with, and what it asked of it."""

    woken: int = 0
    presigned: list[str] = field(default_factory=list)
    presign_error: Exception | None = None
    ready_error: Exception | None = None

    async def presign(self, recording: Recording) -> str:
        if self.presign_error:
            raise self.presign_error
        self.presigned.append(recording.id)
        return SIGNED

    def probes(self, catalogue: Any) -> ProbeParts:
        return ProbeParts(ready=self._ready, measure=catalogue.counts)

    async def _ready(self) -> None:
        if self.ready_error:
            raise self.ready_error

    def wake(self) -> None:
        self.woken += 1


def holds_of(interventions: Any) -> Any:
    """Return the holds of the database that the interventions are of; what is broken is broken for them too."""
    return Holds(interventions._database) if isinstance(interventions, Interventions) else interventions


class Broken:
    """A catalogue whose every question ends in `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> None:
            raise self._error

        return fail


DESCRIBED: dict[str, Any] = {
    "meeting_name": "Weekly",
    "meeting_start_at": NOW - timedelta(hours=1),
    "meeting_end_at": NOW,
    "host_id": 2**53 + 1,
    "host_name": "Zoë",
    "host_login": "zoe",
    "host_email": "zoe@example.com",
    "participants_count": 2,
    "file_uid": "f-1",
    "duration_s": 61.5,
    "vendor_size": 12.25,
    "attempts": 2,
    "hold": True,
    "url_origin": "api",
}
"""What deliveries and runs say of a recording, with a value for each."""
ARCHIVED: dict[str, Any] = {
    "state": State.ARCHIVED,
    "object_bucket": "team",
    "object_key": "recordings/2026/11/23/m/r.mp4",
    "object_version_id": "v1",
    "size_bytes": 5_000_000_000,
    "sha256": "ab" * 32,
    "checksum": "crc64nvme:AAAAAAAAAAA=",
    "content_type": "video/mp4",
    "archived_at": NOW,
}


def row(recording_id: str, **values: Any) -> dict[str, Any]:
    return {
        "id": recording_id,
        "meeting_id": "m1",
        "search_text": "",
        "created_at": NOW,
        "state": State.PENDING,
        "first_seen_via": "webhook",
        "first_seen_at": NOW,
    } | values


async def add(
    database: Database,
    *rows: dict[str, Any],
    taking_part: Sequence[tuple[str, int, int]] = (),
    invited: Sequence[tuple[str, int, int | None, str | None]] = (),
) -> None:
    """Store rows in one transaction, whatever columns each sets, with people as their tables have them; index all."""

    def change(tx: sa.Connection) -> None:
        for one in rows:
            tx.execute(sa.insert(recordings).values(one))
        for table, people in ((participants, taking_part), (attendees, invited)):
            if people:
                tx.execute(sa.insert(table), [dict(zip(table.c.keys(), one, strict=True)) for one in people])
        reindex(tx, [one["id"] for one in rows])

    await database.write(change)


async def state_of(database: Database, recording_id: str = "r1") -> State:
    return (await Catalogue(database).recording(recording_id)).state


async def add_delivery(
    database: Database,
    delivery_id: str = "d1",
    *,
    body: bytes,
    rejected: Sequence[dict[str, Any]] = (),
    recording_ids: Sequence[str] = (),
    **values: Any,
) -> None:
    """Store a partly rejected delivery, unless `values` say otherwise, and the recordings that it names."""
    stored = {
        "id": delivery_id,
        "received_at": NOW,
        "status": "partial",
        "body_sha256": delivery_id * 32,
        "body_bytes": len(body),
        "body": body,
        "rejected": list(rejected),
    }
    named = [{"delivery_id": delivery_id, "position": n, "recording_id": one} for n, one in enumerate(recording_ids)]

    def change(tx: sa.Connection) -> None:
        tx.execute(sa.insert(deliveries).values(stored | values))
        if named:
            tx.execute(sa.insert(delivery_recordings), named)

    await database.write(change)
