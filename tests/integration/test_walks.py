"""Who holds a walk, what it has done, and what a killed one leaves to the next."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from receiver.catalogue import Walks
from receiver.catalogue.walks import HELD_FOR, KEPT_FOR
from receiver.errors import WalkTakenError
from receiver.records import MeetingId, Tally
from receiver.tables import Database
from tests.support.clock import NOW

SINCE = NOW - timedelta(days=30)
SECOND = timedelta(seconds=1)
A, B, C = MeetingId("a"), MeetingId("b"), MeetingId("c")


@pytest.fixture
def walks(database: Database) -> Walks:
    return Walks(database)


async def test_of_many_at_once_one_takes_it(walks: Walks) -> None:
    taken = await asyncio.gather(*(walks.take("30d", since=SINCE, now=NOW) for _ in range(8)))
    (walk,) = [one for one in taken if one is not None]
    assert (walk.since, walk.began_at, walk.tally, walk.is_resumed) == (SINCE, NOW, Tally(), False)
    assert await walks.take("3y", since=SINCE, now=NOW) is not None  # another window is another walk


async def test_a_silent_holder_loses_it_to_one_who_goes_on(walks: Walks) -> None:
    first = await walks.take("30d", since=SINCE, now=NOW)
    assert first is not None
    await walks.note(first, [A, B], Tally(meetings=2, found=1), now=NOW + SECOND)
    assert await walks.take("30d", since=NOW, now=NOW + HELD_FOR) is None
    second = await walks.take("30d", since=NOW, now=NOW + SECOND + HELD_FOR)
    assert second is not None
    assert (second.is_resumed, second.since, second.began_at) == (True, SINCE, NOW)
    assert second.tally == Tally(meetings=2, found=1)
    assert await walks.done(second, [A, B, C]) == {A, B}
    for late in (walks.note(first, [C], Tally(meetings=3), now=NOW), walks.leave(first, now=NOW)):
        with pytest.raises(WalkTakenError):
            await late
    with pytest.raises(WalkTakenError):
        await walks.end(first, now=NOW)
    assert await walks.done(second, [C]) == frozenset()


async def test_one_that_was_left_is_gone_on_with_at_once(walks: Walks) -> None:
    first = await walks.take("30d", since=SINCE, now=NOW)
    assert first is not None
    await walks.note(first, [A], Tally(meetings=1), now=NOW)
    await walks.leave(first, now=NOW)
    second = await walks.take("30d", since=NOW, now=NOW)
    assert second is not None
    assert (second.is_resumed, second.tally.meetings) == (True, 1)


async def test_one_that_ended_is_begun_anew(walks: Walks) -> None:
    first = await walks.take("30d", since=SINCE, now=NOW)
    assert first is not None
    await walks.note(first, [A, A], Tally(meetings=1), now=NOW)
    await walks.end(first, now=NOW)
    second = await walks.take("30d", since=SINCE + SECOND, now=NOW + SECOND)
    assert second is not None
    assert (second.is_resumed, second.since, second.began_at) == (False, SINCE + SECOND, NOW + SECOND)
    assert (second.tally, await walks.done(second, [A])) == (Tally(), frozenset())


async def test_one_that_nobody_went_on_with_is_forgotten(walks: Walks) -> None:
    old = await walks.take("30d", since=SINCE, now=NOW)
    assert old is not None
    await walks.note(old, [A], Tally(meetings=1), now=NOW)
    later = NOW + HELD_FOR + KEPT_FOR + SECOND
    new = await walks.take("30d", since=SINCE, now=later)
    assert new is not None
    assert (new.is_resumed, new.began_at) == (False, later)
    assert await walks.done(new, [A]) == frozenset()
