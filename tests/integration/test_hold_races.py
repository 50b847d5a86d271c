"""A hold and what it must stop, at the same moment: whichever comes first, both tell the truth.

On PostgreSQL two connections meet at a chosen point, on both databases two processes' worth of connections race.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from receiver.catalogue import Catalogue, Holds
from receiver.catalogue.deliveries import Incoming
from receiver.catalogue.holds import held_among
from receiver.errors import WrongStateError
from receiver.meetings.payload import parse
from receiver.records import Actor, Hold, HoldScope, RecordingId, State, Via
from receiver.tables import open_database
from tests.support.clock import NOW
from tests.support.databases import ON_POSTGRESQL
from tests.support.intake import intake_of
from tests.support.operators import ARCHIVED, add, row
from tests.support.payloads import payload
from tests.support.row_erasure import erase_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from receiver.tables import Database

BY = Actor("token:alice")
R1 = RecordingId("r1")
DELIVERY = {
    "id": "d2",
    "received_at": NOW,
    "status": "accepted",
    "body_sha256": "d2",
    "body_bytes": 1,
    "body": b"x",
    "rejected": [],
}
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


async def add_hold(database: Database, scope: HoldScope = HoldScope.MEETING, value: str = "m1") -> Hold:
    return await Holds(database).add(scope, value, reason="a case", by=BY, now=NOW)


@asynccontextmanager
async def transaction(database: Database) -> AsyncIterator[Any]:
    """Open a write transaction whose statements the test sends one by one."""
    async with AsyncEngine(database.engine).begin() as connection:
        yield connection.run_sync


async def until_it_waits(database: Database, task: asyncio.Task[Any]) -> None:
    """Return once another transaction waits for a lock: the task's, since no other is there."""
    while not await database.read(lambda tx: tx.execute(_WAITING).scalar_one()):
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)


@ON_POSTGRESQL  # SQLite has one writer
@pytest.mark.parametrize(("scope", "value"), [(HoldScope.RECORDING, "r1"), (HoldScope.MEETING, "m1")])
async def test_a_hold_that_comes_during_a_deletion_comes_after_it(
    database: Database, scope: HoldScope, value: str
) -> None:
    await add(database, row("r1", **ARCHIVED))
    async with transaction(database) as tx:
        assert await tx(lambda c: held_among(c, [R1])) == {}
        holding = asyncio.create_task(add_hold(database, scope, value))
        await until_it_waits(database, holding)
        assert await tx(lambda c: erase_in(c, [R1])) in ([R1], [])  # of a meeting the hold stands already
        erased = (await tx(lambda c: c.execute(sa.text("SELECT state FROM recordings")).scalar_one())) == "erased"
    if scope is HoldScope.RECORDING:
        assert erased
        with pytest.raises(WrongStateError, match="recording r1 was erased"):
            await holding
    else:
        await holding
        assert (await Catalogue(database).recording(R1)).hold is not erased


@ON_POSTGRESQL  # as above
async def test_a_deletion_that_comes_during_a_hold_waits_and_is_refused(database: Database) -> None:
    await add(database, row("r1", **ARCHIVED))
    async with transaction(database) as tx:
        await tx(lambda c: c.execute(sa.text("SELECT 1 FROM recordings WHERE id = 'r1' FOR UPDATE")))
        erasing = asyncio.create_task(database.write(lambda c: erase_in(c, [R1])))
        await until_it_waits(database, erasing)
        insert = (
            "INSERT INTO holds (scope, value, reason, actor, at) VALUES ('recording', 'r1', 'a case', 'alice', now())"
        )
        await tx(lambda c: c.execute(sa.text(insert)))
    assert await erasing == []
    assert (await Catalogue(database).recording(R1)).state is State.ARCHIVED


def write_found(database: Database, connection: sa.Connection) -> None:
    facts = parse(payload("r1", meeting_id="m1")).recordings
    intake_of(database).write_found(connection, facts, via=Via.RECONCILE, at=NOW)


@ON_POSTGRESQL  # as above
async def test_a_hold_waits_for_a_recording_that_is_just_coming_and_covers_it(database: Database) -> None:
    async with transaction(database) as tx:
        await tx(lambda c: write_found(database, c))
        holding = asyncio.create_task(add_hold(database))
        await until_it_waits(database, holding)
    hold = await holding
    assert (await Catalogue(database).recording(R1)).hold
    assert await Catalogue(database).holds_of(R1) == (hold,)


@ON_POSTGRESQL  # as above
async def test_a_recording_waits_for_a_hold_that_is_just_coming_and_is_covered(database: Database) -> None:
    async with transaction(database) as tx:
        insert = (
            "INSERT INTO holds (scope, value, reason, actor, at) VALUES ('meeting', 'm1', 'a case', 'alice', now())"
        )
        await tx(lambda c: c.execute(sa.text(insert)))
        coming = asyncio.create_task(database.write(lambda c: write_found(database, c)))
        await until_it_waits(database, coming)
    await coming
    assert (await Catalogue(database).recording(R1)).hold


@ON_POSTGRESQL  # as above
async def test_deliveries_do_not_wait_for_each_other_with_a_hold_to_look_for(database: Database) -> None:
    await add_hold(database)
    async with transaction(database) as tx:
        await tx(lambda c: write_found(database, c))
        body = payload("r2", meeting_id="m1")
        facts = parse(body).recordings
        incoming = Incoming(row=dict(DELIVERY), facts=facts, named=(RecordingId("r2"),))
        intake = intake_of(database)
        await asyncio.wait_for(database.write(lambda c: intake.write(c, [incoming])), 20)
    assert (await Catalogue(database).recording(RecordingId("r2"))).hold


async def test_holds_releases_and_deletions_race_and_what_is_held_stays(database: Database, database_url: str) -> None:
    """Two processes' connections; who comes first is chance, what follows from it is not."""
    other = open_database(database_url)
    try:
        for number in range(8):
            name = RecordingId(f"x{number}")
            await add(database, row(name, **ARCHIVED | {"meeting_id": f"m{number}"}))
            standing = await add_hold(database, HoldScope.RECORDING, name)
            outcomes = await asyncio.gather(
                other.write(lambda tx, name=name: erase_in(tx, [name])),
                add_hold(database, HoldScope.MEETING, f"m{number}"),
                Holds(other).release(standing.id, reason=None, by=BY, now=NOW),
                database.write(lambda tx, name=name: erase_in(tx, [name])),
                return_exceptions=True,
            )
            assert not [one for one in outcomes if isinstance(one, BaseException)]
            found = await Catalogue(database).recording(name)
            erased = bool(outcomes[0] or outcomes[3])
            assert (found.state is State.ERASED, found.hold) == (erased, not erased)
            assert await other.write(lambda tx, name=name: erase_in(tx, [name])) == []
    finally:
        await other.close()
