"""Group commit on both databases: many deliveries share a transaction, and each has an outcome of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue
from receiver.errors import StorageUnavailableError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.records import RecordingId, State
from receiver.tables import Database, deliveries, recordings
from tests.support.clock import NOW
from tests.support.databases import refuse
from tests.support.intake import accept
from tests.support.payloads import payload

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDER = {"duration": 1, "updated_at": "2026-11-22T10:00:00Z"}
NEWER = {"duration": 2, "updated_at": "2026-11-22T11:00:00Z", "participants_ids": [9]}


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


@contextlib.contextmanager
def watching(database: Database, event: str) -> Iterator[list[str]]:
    """Collect an event of the engine's connections while the block runs."""
    seen: list[str] = []

    def note(*_: object) -> None:
        seen.append(event)

    sa.event.listen(database.engine, event, note)
    yield seen
    sa.event.remove(database.engine, event, note)


async def count(database: Database, table: sa.Table) -> int:
    return await database.read(lambda tx: int(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()))


async def test_two_hundred_at_once_share_a_few_transactions(database: Database, inbox: Inbox) -> None:
    with watching(database, "commit") as commits:
        answers = await asyncio.gather(*(accept(inbox, payload(f"r{n}"), now=NOW) for n in range(200)))
    assert [answer.recordings for answer in answers] == [((f"r{n}", State.PENDING),) for n in range(200)]
    assert len({answer.delivery_id for answer in answers}) == 200
    assert await count(database, deliveries) == await count(database, recordings) == 200
    assert len(commits) <= 8


async def test_a_large_delivery_does_not_swell_a_batch(database: Database, inbox: Inbox) -> None:
    large = [payload(*(f"{name}{n}" for n in range(900))) for name in "abc"]
    with watching(database, "commit") as commits:
        await asyncio.gather(*(accept(inbox, body, now=NOW) for body in large))
    assert await count(database, recordings) == 2700
    assert len(commits) == 3


async def test_of_identical_bodies_in_a_batch_the_first_is_new(database: Database, inbox: Inbox) -> None:
    bodies = [payload("a"), payload("b"), payload("a"), payload("a")]
    with watching(database, "commit") as commits:
        answers = await asyncio.gather(*(accept(inbox, body, now=NOW) for body in bodies))
    assert [answer.duplicate for answer in answers] == [False, False, True, True]
    assert answers[0].delivery_id == answers[2].delivery_id == answers[3].delivery_id
    assert all(answer.recordings == (("a", State.PENDING),) for answer in (answers[0], answers[2], answers[3]))
    assert await count(database, deliveries) == 2
    assert len(commits) == 1


async def test_a_delivery_of_another_day_is_a_duplicate_beside_new_ones(database: Database, inbox: Inbox) -> None:
    first = await accept(inbox, payload("a"), now=NOW)
    again, other = await asyncio.gather(accept(inbox, payload("a"), now=NOW), accept(inbox, payload("a", "b"), now=NOW))
    assert (again.duplicate, again.delivery_id, again.recordings) == (True, first.delivery_id, first.recordings)
    assert (other.duplicate, other.recordings) == (False, (("a", State.PENDING), ("b", State.PENDING)))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(("older", "newer", "unknown"))))
async def test_the_newest_facts_of_a_batch_win_in_any_order(
    database: Database, inbox: Inbox, order: tuple[str, ...], known: bool
) -> None:
    bodies = {
        "older": payload("a", **OLDER),
        "newer": payload("a", **NEWER),
        "unknown": payload("a", duration=3, updated_at=None),
    }
    if known:
        await accept(inbox, payload("a", updated_at="2026-11-22T09:00:00Z"), now=NOW)
    with watching(database, "commit") as commits:
        await asyncio.gather(*(accept(inbox, bodies[name], now=NOW) for name in order))
    found = await Catalogue(database).recording(RecordingId("a"))
    assert (found.vendor.duration_s, found.vendor.participant_ids) == (2, (9,))
    assert len(commits) == 1


async def test_overlapping_batches_lock_in_one_order(database: Database, inbox: Inbox) -> None:
    other = Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)
    ids = [f"r{n}" for n in range(20)]
    await accept(inbox, payload(*ids, updated_at="2026-11-22T09:00:00Z"), now=NOW)
    bodies = [payload(*ids[n:], *ids[:n], duration=n) for n in range(20)]
    await asyncio.gather(*(accept((inbox, other)[n % 2], body, now=NOW) for n, body in enumerate(bodies)))
    assert await count(database, deliveries) == 21
    assert await count(database, recordings) == 20


async def test_a_delivery_at_fault_fails_alone(database: Database, inbox: Inbox) -> None:
    await refuse(database, "r3")
    bodies = [payload(f"r{n}") for n in range(8)]
    answers = await asyncio.gather(*(accept(inbox, body, now=NOW) for body in bodies), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [3]
    assert isinstance(answers[3], sa.exc.IntegrityError)
    assert await count(database, deliveries) == await count(database, recordings) == 7
    assert (await accept(inbox, payload("r8"), now=NOW)).recordings == (("r8", State.PENDING),)


async def test_an_outage_fails_every_delivery_for_itself_and_heals(
    database: Database, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OSError("the database is away")

    sa.event.listen(database.engine, "begin", gone)
    bodies = [payload(f"r{n}") for n in range(8)]
    answers = await asyncio.gather(*(accept(inbox, body, now=NOW) for body in bodies), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageUnavailableError] * 8
    assert len({id(answer) for answer in answers}) == 8
    sa.event.remove(database.engine, "begin", gone)
    healed = await asyncio.gather(*(accept(inbox, body, now=NOW) for body in bodies))
    assert not any(answer.duplicate for answer in healed)


async def test_a_client_that_is_gone_harms_nobody(database: Database, inbox: Inbox) -> None:
    waiters = [asyncio.create_task(accept(inbox, payload(f"r{n}"), now=NOW)) for n in range(4)]
    begun = asyncio.Event()

    def note(_: object) -> None:
        begun.set()

    sa.event.listen(database.engine, "begin", note)
    await begun.wait()
    waiters[1].cancel()
    answers = await asyncio.gather(*waiters, return_exceptions=True)
    sa.event.remove(database.engine, "begin", note)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answer.recordings for n, answer in enumerate(answers) if n != 1] == [  # type: ignore[union-attr]
        ((f"r{n}", State.PENDING),) for n in (0, 2, 3)
    ]


async def test_nothing_is_acknowledged_before_its_commit(database: Database, inbox: Inbox) -> None:
    answered: list[int] = []
    at_commit: list[int] = []

    def note(_: object) -> None:
        at_commit.append(len(answered))

    async def one(number: int) -> None:
        await accept(inbox, payload(f"r{number}"), now=NOW)
        answered.append(number)
        assert await count(database, deliveries) >= len(answered)

    sa.event.listen(database.engine, "commit", note)
    await asyncio.gather(*(one(n) for n in range(10)))
    sa.event.remove(database.engine, "commit", note)
    assert at_commit[0] == 0
    assert len(answered) == 10


async def test_no_task_is_left_when_all_is_written(database: Database, inbox: Inbox) -> None:
    before = asyncio.all_tasks()
    await asyncio.gather(*(accept(inbox, payload(f"r{n}"), now=NOW) for n in range(10)))
    await accept(inbox, payload("last"), now=NOW)
    assert asyncio.all_tasks() == before
