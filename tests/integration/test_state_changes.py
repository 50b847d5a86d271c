"""Every write of a state, from every state, on both databases: none that the lifecycle does not allow."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from receiver import lifecycle
from receiver.catalogue import Catalogue, Interventions, Runs
from receiver.errors import FenceLostError, WrongStateError
from receiver.inbox import Inbox
from receiver.jobs import MemoryJobs
from receiver.lifecycle import Decision
from receiver.meetings.payload import parse
from receiver.records import Claim, Failure, RecordingId, State, Via
from receiver.tables import Database, deliveries, delivery_recordings, participants, recordings
from tests.support.clock import NOW
from tests.support.erasing import BY, REASON, EmptyBucket, erasure_of
from tests.support.intake import STORED, accept
from tests.support.operators import add, row
from tests.support.payloads import payload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FAILURE = Failure(code="api_unavailable", message="later", at=NOW)
FENCE = 7
"""Every row's before the write."""


async def claim_it(database: Database, recording_id: RecordingId) -> None:
    await Runs(database).claim(recording_id, now=NOW)


async def retry(database: Database, recording_id: RecordingId) -> None:
    await Interventions(database).retry(recording_id, now=NOW)


async def cancel(database: Database, recording_id: RecordingId) -> None:
    await Interventions(database).cancel(recording_id)


def inbox(database: Database) -> Inbox:
    return Inbox(database, MemoryJobs(database, concurrency=1), keep_urls=False)


async def deliver(database: Database, recording_id: RecordingId) -> None:
    await accept(inbox(database), payload(recording_id), now=NOW)


def list_it(meeting_id: str) -> Callable[[Database, RecordingId], Awaitable[None]]:
    async def write(database: Database, recording_id: RecordingId) -> None:
        facts = parse(payload(recording_id, meeting_id=meeting_id)).recordings
        await inbox(database).accept_found(facts, via=Via.RECONCILE, now=NOW)

    return write


def by_run(end: Callable[[Runs, Claim], Awaitable[object]]) -> Callable[[Database, RecordingId], Awaitable[None]]:
    """Make the write of a run whose fence is the row's, whatever state that is in."""

    async def write(database: Database, recording_id: RecordingId) -> None:
        recording = await Catalogue(database).recording(recording_id)
        claim = Claim(
            recording=recording,
            fence=FENCE,
            attempt=1,
            crashes=0,
            took_over=False,
            payload_url=None,
            source_host=None,
            key=None,
            noted=None,
            upload=None,
        )
        await end(Runs(database), claim)

    return write


def settle(to: State) -> Callable[[Database, RecordingId], Awaitable[None]]:
    return by_run(lambda runs, claim: runs.settle(claim, decision(to), FAILURE))


def decision(to: State) -> Decision:
    return Decision(state=to, attempts=1, next_attempt_at=NOW if to is State.WAITING else None)


@dataclass(frozen=True)
class Writer:
    """`write` writes the state `to` over those in `leaving` alone."""

    write: Callable[[Database, RecordingId], Awaitable[None]]
    to: State
    leaving: frozenset[str]
    is_run: bool = False


async def erase_it(database: Database, recording_id: RecordingId) -> None:
    await erasure_of(EmptyBucket(), database).erase([recording_id], by=BY, reason=REASON)


def ends_run(write: Callable[[Database, RecordingId], Awaitable[None]], to: State) -> Writer:
    return Writer(write, to, frozenset({"archiving"}), is_run=True)


WRITERS = {
    "claim": Writer(claim_it, State.ARCHIVING, frozenset({"pending", "archiving", "waiting"})),
    "finish": ends_run(by_run(lambda runs, claim: runs.finish(claim, STORED, now=NOW)), State.ARCHIVED),
    "settle as waiting": ends_run(settle(State.WAITING), State.WAITING),
    "settle as failed": ends_run(settle(State.FAILED), State.FAILED),
    "settle as missing": ends_run(settle(State.MISSING), State.MISSING),
    "hand back": ends_run(by_run(lambda runs, claim: runs.hand_back(claim, now=NOW)), State.PENDING),
    "retry": Writer(retry, State.PENDING, frozenset({"waiting", "failed", "missing", "cancelled"})),
    "cancel": Writer(cancel, State.CANCELLED, frozenset({"pending", "waiting", "failed"})),
    "erase": Writer(erase_it, State.ERASED, frozenset(State) - {State.ERASED}),
    "a delivery": Writer(deliver, State.PENDING, frozenset({"failed", "missing"})),
    "its meeting's listing": Writer(list_it("m1"), State.PENDING, frozenset({"missing"})),
    "another meeting's listing": Writer(list_it("m2"), State.PENDING, frozenset({"failed", "missing"})),
}
WRITES = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
REFUSALS = (FenceLostError, WrongStateError)


async def written(database: Database, writer: Writer) -> dict[str, tuple[State, int]]:
    """Let it write over a recording in each state; return, of those written, state and fence by the state before."""
    for table in (delivery_recordings, deliveries, participants, recordings):
        await database.write(lambda tx, table=table: tx.execute(sa.delete(table)))
    await add(database, *(row(state.value, state=state, fence=FENCE) for state in State))
    for state in State:
        with contextlib.suppress(*REFUSALS):
            await writer.write(database, RecordingId(state.value))
    query = sa.select(recordings.c.id, recordings.c.state, recordings.c.fence)
    rows = await database.read(lambda tx: tx.execute(query).all())
    return {old: (State(new), fence) for old, new, fence in rows if (old, FENCE) != (new, fence)}


@WRITES
async def test_a_state_is_written_over_those_alone_that_may_be_left_for_it(database: Database, writer: Writer) -> None:
    fence = FENCE if writer.is_run else FENCE + 1
    assert await written(database, writer) == dict.fromkeys(writer.leaving, (writer.to, fence))


@WRITES
async def test_what_the_table_does_not_allow_is_not_written(
    database: Database, monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    for old in sorted(writer.leaving):
        with monkeypatch.context() as patch:
            patch.setitem(lifecycle.CHANGES, State(old), lifecycle.CHANGES[State(old)] - {writer.to})
            assert set(await written(database, writer)) == writer.leaving - {old}


async def test_a_run_cannot_end_in_a_state_of_others(database: Database) -> None:
    for to in (State.CANCELLED, State.ERASED):
        assert await written(database, ends_run(settle(to), to)) == {}
