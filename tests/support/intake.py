"""Deliveries taken in without HTTP, for tests of what lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.catalogue import Catalogue, Intake
from receiver.inbox import Inbox
from receiver.inbox.replay import Replays
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import parse
from receiver.meetings.redaction import without_person, without_recordings
from receiver.records import Accepted, Actor, CopyProof, Rung, StoredFile
from tests.support.clock import NOW

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from receiver.records import DeliveryId, Replayed
    from receiver.tables import Database

STORED = StoredFile(
    bucket="b",
    key="k.mp4",
    version_id=None,
    size_bytes=1,
    sha256="0" * 64,
    checksum="crc64nvme:x",
    content_type="video/mp4",
    proof=CopyProof(rung=Rung.CRC64NVME, value="x", at=NOW),
)


def intake_of(database: Database, *, keep_urls: bool = True) -> Intake:
    """Return what writes deliveries, as the inbox has it."""
    return Intake(database, keep_urls=keep_urls, without=without_recordings, without_persons=without_person)


async def accept(inbox: Inbox, body: bytes, *, now: datetime) -> Accepted:
    """Store a body as the webhook would."""
    return await inbox.accept(body, parse(body), now=now)


BY = Actor("token:alice", "operator")


def replay_of(database: Database, *, has_api: bool = True) -> Callable[..., Awaitable[Replayed]]:
    """Return what takes a stored delivery in again, as the service composes it."""
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=not has_api)
    replays = Replays(inbox=inbox, catalogue=Catalogue(database), has_api=has_api, clock=lambda: NOW)

    async def replay(delivery_id: DeliveryId, by: Actor = BY) -> Replayed:
        return await replays.replay(delivery_id, by)

    return replay
