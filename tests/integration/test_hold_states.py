"""A state machine over hold, release, retention, erase, archive and crash: what is held stays, in every order.

Two processes' connections take turns at one database, and race.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from receiver.catalogue import Catalogue, Holds, HoldsQuery, RetentionIndex
from receiver.catalogue.states import change_state
from receiver.errors import WrongStateError
from receiver.meetings.payload import parse
from receiver.records import Actor, HoldId, HoldScope, RecordingId, RetentionPeriod, State, Via
from receiver.retention import Retention
from receiver.tables import Database, held_recordings, holds, open_database, recordings
from tests.support.clock import NOW
from tests.support.intake import intake_of
from tests.support.operators import ARCHIVED
from tests.support.payloads import payload
from tests.support.row_erasure import RowErasure, erase_in

BY = Actor("token:alice")
DAY = timedelta(days=1)
PERIOD = RetentionPeriod(days=3 * DAY, grace=2 * DAY)
MEETINGS = ("m1", "m2")
GUESTS = (5, 6)
TARGETS = (
    *((HoldScope.MEETING, one) for one in MEETINGS),
    (HoldScope.HOST, "7"),
    *((HoldScope.PERSON, str(one)) for one in GUESTS),
)


@dataclass
class Model:
    """A recording as it must be; `held_by` grows with what is told of it, and shrinks by releases alone."""

    meeting_id: str
    guest: int
    archived: bool = False
    erased: bool = False

    def named(self) -> set[tuple[HoldScope, str]]:
        return {(HoldScope.MEETING, self.meeting_id), (HoldScope.HOST, "7"), (HoldScope.PERSON, str(self.guest))}


class KilledError(Exception):
    """The process died where it was about to mark."""


class Machine(RuleBasedStateMachine):
    """`url` is that of an empty migrated database, which the machine clears first."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.databases = [open_database(url), open_database(url)]
        self.now = NOW
        self.known: dict[RecordingId, Model] = {}
        self.standing: dict[HoldId, tuple[HoldScope, str]] = {}
        self.is_marked = True
        for table in (held_recordings, holds, recordings):
            self.run(self.one.write(lambda tx, table=table: tx.execute(sa.delete(table))))

    @property
    def one(self) -> Database:
        return self.databases[0]

    def teardown(self) -> None:
        for database in self.databases:
            self.run(database.close())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def covering(self, recording_id: RecordingId) -> set[HoldId]:
        model = self.known[recording_id]
        named = model.named() | {(HoldScope.RECORDING, recording_id)}
        return {hold_id for hold_id, one in self.standing.items() if one in named}

    @rule(which=st.integers(0, 1), meeting_id=st.sampled_from(MEETINGS), guest=st.sampled_from(GUESTS))
    def deliver(self, which: int, meeting_id: str, guest: int) -> None:
        recording_id = RecordingId(f"r{len(self.known)}")
        body = payload(recording_id, meeting_id=meeting_id, participants_ids=[guest])
        created_at = self.now.isoformat()
        facts = parse(body.replace(b"2026-11-22T10:00:00Z", created_at.encode())).recordings
        intake = intake_of(self.databases[which])
        write = partial(intake.write_found, facts=facts, via=Via.RECONCILE, at=self.now)
        self.run(self.databases[which].write(write))
        self.known[recording_id] = Model(meeting_id, guest)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def archive(self, data: st.DataObject) -> None:
        recording_id = data.draw(st.sampled_from(sorted(self.known)))
        here = recordings.c.id == recording_id

        def finish(tx: sa.Connection) -> None:
            tx.execute(change_state(State.ARCHIVING, leaving={State.PENDING}).where(here))
            done = change_state(State.ARCHIVED, leaving={State.ARCHIVING}).where(here)
            tx.execute(done.values(ARCHIVED | {"state": State.ARCHIVED, "archived_at": self.now}))

        self.run(self.one.write(finish))
        self.known[recording_id].archived = True

    @rule(which=st.integers(0, 1), named=st.sampled_from(TARGETS), crashes=st.booleans())
    def hold(self, which: int, named: tuple[HoldScope, str], crashes: bool) -> None:
        adding = Holds(self.databases[which])
        with self.dying(adding) if crashes else contextlib.nullcontext():
            self.run(self.add(adding, *named))
        self.learn()

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def hold_one(self, data: st.DataObject) -> None:
        recording_id = data.draw(st.sampled_from(sorted(self.known)))
        with self.refused_if(self.known[recording_id].erased):
            self.run(self.add(Holds(self.one), HoldScope.RECORDING, recording_id))
        self.learn()

    @precondition(lambda self: self.standing)
    @rule(which=st.integers(0, 1), data=st.data(), crashes=st.booleans())
    def release(self, which: int, data: st.DataObject, crashes: bool) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.standing)))
        releasing = Holds(self.databases[which])
        with self.dying(releasing) if crashes else contextlib.nullcontext():
            self.run(releasing.release(hold_id, reason=None, by=BY, now=self.now))
        del self.standing[hold_id]

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0, 1))
    def erase_all(self, which: int) -> None:
        self.gone(self.run(self.databases[which].write(partial(erase_in, ids=sorted(self.known)))))

    @rule(which=st.integers(0, 1), days=st.integers(0, 3))
    def retain(self, which: int, days: int) -> None:
        self.now += days * DAY
        database = self.databases[which]
        before = {one for one, model in self.known.items() if model.erased}
        index = RetentionIndex(database)
        ran = Retention(index=index, erasure=RowErasure(database), period=PERIOD, clock=lambda: self.now)
        self.run(ran.run())
        self.gone(set(self.run(index.erased(sorted(self.known)))) - before)

    @precondition(lambda self: self.known)
    @rule(named=st.sampled_from(TARGETS))
    def race(self, named: tuple[HoldScope, str]) -> None:
        """Let one process hold while the other erases: what was erased was so before the hold."""
        standing = dict(self.standing)

        async def both() -> Any:
            erasing = self.databases[1].write(partial(erase_in, ids=sorted(self.known)))
            return await asyncio.gather(erasing, self.add(Holds(self.one), *named))

        erased, _ = self.run(both())
        self.gone(erased, standing)
        self.learn()

    @rule()
    def mark_left(self) -> None:
        self.run(Holds(self.one).mark_left(now=self.now))
        self.is_marked = True

    @invariant()
    def what_the_index_says_is_so(self) -> None:
        for recording_id, model in self.known.items():
            found = self.run(Catalogue(self.one).recording(recording_id))
            assert (found.state is State.ERASED) == model.erased
            if not model.erased:
                told = {one.id for one in self.run(Catalogue(self.one).holds_of(recording_id))}
                assert told == self.covering(recording_id)
                if self.is_marked:
                    assert found.hold == bool(told)

    async def add(self, adding: Holds, scope: HoldScope, value: str) -> None:
        await adding.add(scope, value, reason=f"case {len(self.standing)}", by=BY, now=self.now)

    def gone(self, erased: Any, standing: dict[HoldId, tuple[HoldScope, str]] | None = None) -> None:
        """Note what was erased, and that nothing of it was held when the erasure was asked for."""
        for recording_id in erased:
            covering = self.covering(recording_id)
            assert not covering & (standing if standing is not None else self.standing).keys()
            assert self.known[recording_id].archived
            self.known[recording_id].erased = True

    def learn(self) -> None:
        """Note the holds that stand; what a killed process committed is one of them."""
        for one in self.run(Catalogue(self.one).holds(HoldsQuery(), limit=1000)).items:
            self.standing[one.id] = (one.scope, one.value)

    @contextlib.contextmanager
    def dying(self, one: Holds) -> Iterator[None]:
        async def die(*_: Any, **__: Any) -> None:
            raise KilledError

        one._mark = one._unmark = die  # type: ignore[method-assign, assignment]
        self.is_marked = False
        with contextlib.suppress(KilledError):
            yield

    @contextlib.contextmanager
    def refused_if(self, refused: bool) -> Iterator[None]:
        if not refused:
            yield
            return
        with pytest.raises(WrongStateError, match="was erased"):
            yield


def test_what_is_held_stays_in_every_order(database_url: str) -> None:
    run_state_machine_as_test(
        lambda: Machine(database_url),
        settings=settings(
            max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
