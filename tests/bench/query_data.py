"""Recordings for `tests.bench.query`: deliveries as the platform sends them, taken in by the service's own code."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.meetings.payload import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from receiver.tables import Database

NEWEST = datetime(2026, 11, 22, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
_PER_DELIVERY = 200
_FREQUENT = ("weekly", "daily", "review", "sync", "planning", "Zürich", "budget", "sales", "retro", "demo")
RARE = "xylophone"


def deliveries(rows: int, seed: int = 1) -> Iterator[tuple[bytes, datetime]]:
    """Yield bodies with `rows` recordings in all, the oldest first, and when each arrives."""
    chance = random.Random(seed)  # noqa: S311
    for first in range(0, rows, _PER_DELIVERY):
        at = NEWEST - SPAN + SPAN * (first / rows)
        items = [_item(chance, number, at, rows) for number in range(first, min(rows, first + _PER_DELIVERY))]
        yield json.dumps(items).encode(), at + timedelta(hours=2)


def _item(chance: random.Random, number: int, at: datetime, rows: int) -> dict[str, Any]:
    hosts, users = max(10, rows // 500), max(20, rows // 100)
    host = 1 if chance.random() < 0.05 else 2 + int(hosts * chance.random() ** 2)
    created = at + timedelta(microseconds=chance.randrange(3_600_000_000))
    meeting = f"{number // 2 if chance.random() < 0.5 else number:024x}"
    words = [chance.choice(_FREQUENT), f"topic{int(5000 * chance.random() ** 3)}", f"team-{chance.randrange(300)}"]
    if chance.random() < 0.3:
        words[0] = "Weekly"
    if number % 100_003 == 77:
        words.append(RARE)
    people = [chance.randrange(users) for _ in range(3)]
    return {
        "meeting": {
            "_id": meeting,
            "name": " ".join(words),
            "start_date": int(created.timestamp()) - 3600,
            "end_date": int(created.timestamp()),
            "host_id": host,
            "attendees": [{"id": one, "email": f"person{one}@example.com"} for one in people[:2]],
        },
        "hostUser": {
            "id": host,
            "full_name": f"Host {host}",
            "login": f"host-{host}",
            "email": f"host{host}@example.com",
        },
        "callRecords": [
            {
                "_id": f"{chance.getrandbits(96):024x}",
                "room_id": meeting,
                "participants_ids": people,
                "participants_count": 3,
                "file_uid": f"{number:x}",
                "duration": round(chance.lognormvariate(7.5, 1), 1),
                "size": 12.5,
                "created_at": created.isoformat(timespec="milliseconds"),
                "updated_at": created.isoformat(timespec="milliseconds"),
                "download_url": "https://x.s3.amazonaws.com/videos/x?Expires=9999999999&Signature=s1gn",
            }
        ],
    }


async def fill(database: Database, rows: int) -> None:
    """Take all deliveries in, then let the recordings stand as after their runs."""
    inbox = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    for body, at in deliveries(rows):
        await inbox.accept(body, parse(body), now=at)
    await database.write(lambda tx: _run(tx, rows))


def _run(tx: sa.Connection, rows: int) -> None:
    """Write what runs would: of a hundred, 96 archived, one failed, the newest pending."""
    is_sqlite = tx.dialect.name == "sqlite"
    number = "abs(place / 2097152 * 7919 + place) % 1000"
    later = (
        "strftime('%Y-%m-%d %H:%M:%f', created_at, '+' || ({n}) || ' seconds') || '000'"
        if is_sqlite
        else "created_at + ({n}) * interval '1 second'"
    ).format(n=number)
    tx.exec_driver_sql(
        "UPDATE recordings SET state = 'archived', attempts = 1, next_attempt_at = NULL, object_bucket = 'team', "  # noqa: S608
        "object_key = 'recordings/2026/11/22/' || meeting_id || '/' || id || '.mp4', object_version_id = 'v1', "
        f"size_bytes = cast(duration_s * 100000 as bigint), sha256 = id || id || substr(id, 1, 16), "
        "checksum = 'crc64nvme:AAAAAAAAAAA=', "
        f"content_type = CASE WHEN {number} < 20 THEN 'video/webm' ELSE 'video/mp4' END, archived_at = {later}, "
        f"incomplete = CASE WHEN {number} < 3 THEN 'cut' END "
        f"WHERE {number} < 960"
    )
    codes = f"CASE WHEN {number} < 971 THEN 'source_gone' ELSE 'store_refused' END"
    tx.exec_driver_sql(
        "UPDATE recordings SET state = CASE "  # noqa: S608
        f"WHEN {number} < 975 THEN 'failed' WHEN {number} < 980 THEN 'missing' ELSE 'cancelled' END, "
        f"error_code = {codes}, error_message = 'x', error_at = created_at, next_attempt_at = NULL, attempts = 8 "
        f"WHERE {number} BETWEEN 960 AND 984"
    )
    tx.exec_driver_sql(f"UPDATE recordings SET hold = true WHERE {number} = 500")  # noqa: S608
