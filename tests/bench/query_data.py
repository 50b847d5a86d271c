"""Recordings for `tests.bench.query`: deliveries as the platform sends them, taken in by the service's own code.

What reads the deliveries is a process of its own; what writes them takes many in one transaction, and lets their
recordings stand there as after their runs.
"""

from __future__ import annotations

import json
import random
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from receiver.catalogue import Incoming, Intake
from receiver.catalogue.indexing import first_place
from receiver.catalogue.states import change_state
from receiver.inbox import _read_as, _row_of
from receiver.meetings.payload import parse
from receiver.records import State
from receiver.tables import recordings
from tests.support.intake import intake_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from receiver.tables import Database

NEWEST = datetime(2026, 11, 22, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
_PER_DELIVERY = 200
_TOGETHER = 50
"""Deliveries of a transaction."""
_AHEAD = 3
"""Transactions whose deliveries are read before they are written."""
_FREQUENT = ("weekly", "daily", "review", "sync", "planning", "Zürich", "budget", "sales", "retro", "demo")
RARE = "xylophone"
_CACHE_KIB = 400_000


def deliveries(rows: int, first: int, most: int) -> Iterator[tuple[bytes, datetime]]:
    """Yield up to `most` bodies of those with `rows` recordings in all, from the `first` on, and when each arrives."""
    for start in range(first * _PER_DELIVERY, min(rows, (first + most) * _PER_DELIVERY), _PER_DELIVERY):
        chance = random.Random(start)  # noqa: S311
        at = NEWEST - SPAN + SPAN * (start / rows)
        items = [_item(chance, number, at, rows) for number in range(start, min(rows, start + _PER_DELIVERY))]
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
    """Take all deliveries in, each transaction's recordings brought to where runs would have."""
    intake = intake_of(database, keep_urls=False)
    starts = iter(range(0, -(-rows // _PER_DELIVERY), _TOGETHER))
    with ProcessPoolExecutor(1) as reader:
        read = deque(reader.submit(_read, rows, start) for start in islice(starts, _AHEAD))
        while read:
            batch = read.popleft().result()
            read.extend(reader.submit(_read, rows, start) for start in islice(starts, 1))
            await database.write(partial(_write, intake=intake, batch=batch))


def _read(rows: int, first: int) -> list[Incoming]:
    found = []
    for body, at in deliveries(rows, first, _TOGETHER):
        parsed = parse(body)
        named = tuple(facts.id for facts in parsed.recordings)
        found.append(Incoming(row=_row_of(body, _read_as(parsed), at), facts=parsed.recordings, named=named))
    return found


def _write(tx: sa.Connection, *, intake: Intake, batch: Sequence[Incoming]) -> None:
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE_KIB}")
    intake.write(tx, batch)
    for update in _runs(tx, first_place(batch[0].row["received_at"] - timedelta(hours=2))):
        tx.execute(update)


def _runs(tx: sa.Connection, first: int) -> Iterator[sa.Update]:
    """Yield what runs would write of recordings from this place on: of a thousand, 960 archived and 15 left to do."""
    is_sqlite = tx.dialect.name == "sqlite"
    number: sa.ColumnElement[int] = sa.literal_column("abs(place / 2097152 * 7919 + place) % 1000")
    later = (
        "strftime('%Y-%m-%d %H:%M:%f', created_at, '+' || ({n}) || ' seconds') || '000'"
        if is_sqlite
        else "created_at + ({n}) * interval '1 second'"
    ).format(n=number)
    c, expression = recordings.c, sa.literal_column
    these = c.place >= first
    run = change_state(State.ARCHIVING, leaving={State.PENDING}).where(these, number < 980)
    yield run.values(attempts=1, next_attempt_at=None)
    archived = {
        "object_bucket": "team",
        "object_key": expression("'recordings/2026/11/22/' || meeting_id || '/' || id || '.mp4'"),
        "object_version_id": "v1",
        "size_bytes": expression("cast(duration_s * 100000 as bigint)"),
        "sha256": expression("id || id || substr(id, 1, 16)"),
        "checksum": "crc64nvme:AAAAAAAAAAA=",
        "content_type": sa.case((number < 20, "video/webm"), else_="video/mp4"),
        "archived_at": expression(later),
        "incomplete": sa.case((number < 3, "cut")),
        "hold": number == 500,
    }
    run_ends = change_state(State.ARCHIVED, leaving={State.ARCHIVING})
    yield run_ends.where(these, number < 960).values(archived)
    error = {
        "error_code": sa.case((number < 971, "source_gone"), else_="store_refused"),
        "error_message": "x",
        "error_at": c.created_at,
        "attempts": 8,
    }
    yield change_state(State.FAILED, leaving={State.ARCHIVING}).where(these, number < 975).values(error)
    yield change_state(State.MISSING, leaving={State.ARCHIVING}).where(these).values(error)
    cancelled = change_state(State.CANCELLED, leaving={State.PENDING}).where(these, number < 985)
    yield cancelled.values(next_attempt_at=None)
