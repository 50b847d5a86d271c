"""All that failed tried again at once, chosen by state and error code."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from receiver.catalogue import Catalogue, Holds, Interventions
from receiver.errors import WrongStateError
from receiver.operators import Actions, OsUser
from receiver.records import State
from receiver.tables import Database, recordings
from tests.support.intake import replay_of
from tests.support.operators import NOW, add, row

BY = OsUser("tester")
ROWS = {
    "f1": (State.FAILED, "store_refused"),
    "f2": (State.FAILED, "source_not_found"),
    "m1": (State.MISSING, "recording_gone"),
    "c1": (State.CANCELLED, "store_refused"),
    "w1": (State.WAITING, "store_refused"),
    "a1": (State.ARCHIVED, None),
    "p1": (State.PENDING, None),
}


class Woken:
    def __init__(self, database: Database) -> None:
        self.times = 0
        self.actions = Actions(
            interventions=Interventions(database),
            holds=Holds(database),
            wake=self._wake,
            clock=lambda: NOW,
            take_in=replay_of(database),
        )

    def _wake(self) -> None:
        self.times += 1


@pytest.fixture
async def woken(database: Database) -> Woken:
    await add(database, *(row(name, state=state, error_code=code, attempts=8) for name, (state, code) in ROWS.items()))
    return Woken(database)


@pytest.mark.parametrize(
    ("states", "code", "expected"),
    [
        ({State.FAILED}, None, {"f1", "f2"}),
        ({State.FAILED, State.MISSING}, None, {"f1", "f2", "m1"}),
        ({State.CANCELLED}, None, {"c1"}),
        ({State.FAILED, State.WAITING}, "store_refused", {"f1", "w1"}),
        ({State.FAILED}, "no_such_code", set()),
    ],
)
async def test_what_is_chosen_is_pending_again_and_nothing_else(
    database: Database, woken: Woken, states: set[State], code: str | None, expected: set[str]
) -> None:
    dry = await woken.actions.retry_all(states, error_code=code, by=BY, dry_run=True)
    assert (dry, await pending(database), woken.times) == (len(expected), {"p1"}, 0)
    assert await woken.actions.retry_all(states, error_code=code, by=BY) == len(expected)
    assert await pending(database) == expected | {"p1"}
    assert woken.times == 1
    for name in expected:
        recording = await Catalogue(database).recording(name)
        assert (recording.attempts, recording.next_attempt_at) == (0, NOW)


async def test_states_that_cannot_be_left_are_refused(woken: Woken) -> None:
    with pytest.raises(WrongStateError):
        await woken.actions.retry_all({State.ARCHIVED}, error_code=None, by=BY)


async def pending(database: Database) -> set[str]:
    query = sa.select(recordings.c.id).where(recordings.c.state == State.PENDING)
    return set(await database.read(lambda tx: tx.execute(query).scalars().all()))
