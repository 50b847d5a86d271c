"""Slots: never more than the limits, the best priority next in line, and who is put back comes again in good time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job

from receiver import metrics
from receiver.jobs.slots import Slots, headers
from receiver.records import source_host

AT = datetime(2026, 11, 22, tzinfo=UTC)


def job(number: int, host: str | None, *, priority: int = -1, attempts: int = 0) -> Job:
    return Job(
        id=number,
        priority=priority,
        created=AT,
        updated=AT,
        heartbeat=AT,
        execute_after=AT,
        status="picked",
        entrypoint="archive",
        payload=b"",
        queue_manager_id=None,
        headers=headers(host),
        attempts=attempts,
    )


class Crowd:
    """Jobs that hold their slots until they are told to leave."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.running: list[int] = []
        self.delays: dict[int, timedelta] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self._ends: dict[int, asyncio.Event] = {}

    async def come(self, *jobs: Job) -> None:
        for one in jobs:
            self._ends[one.id] = asyncio.Event()
            self.tasks[one.id] = asyncio.create_task(self._run(one))
        await self.settle()

    async def leave(self, number: int) -> None:
        self._ends[number].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _run(self, one: Job) -> None:
        try:
            async with self._slots.slot(one):
                self.running.append(one.id)
                try:
                    await self._ends[one.id].wait()
                finally:
                    self.running.remove(one.id)
        except RetryRequested as e:
            self.delays[one.id] = e.delay


@asynccontextmanager
async def crowd(slots: Slots) -> AsyncIterator[Crowd]:
    made = Crowd(slots)
    yield made
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def test_a_host_gets_no_more_than_its_share_and_others_find_a_place() -> None:
    async with crowd(Slots(4, per_host=3, line=1)) as people:
        await people.come(*(job(n, "slow") for n in range(10)))
        assert people.running == [0, 1, 2]
        await people.come(job(10, "other"))
        assert people.running == [0, 1, 2, 10]


async def test_jobs_of_no_known_host_are_bound_by_the_whole_alone() -> None:
    async with crowd(Slots(4, per_host=1, line=1)) as people:
        await people.come(*(job(n, None) for n in range(6)))
        assert people.running == [0, 1, 2, 3]
        shown = [metrics.registry.get_sample_value(name) for name in ("receiver_slots", "receiver_slots_used")]
        assert shown == [4, 4]
        await people.leave(0)
        await people.leave(1)
        assert metrics.registry.get_sample_value("receiver_slots_used") == 3


async def test_the_best_priority_is_next_in_line_and_who_came_first_among_equals() -> None:
    slots = Slots(2, per_host=1, line=None)
    async with crowd(slots) as people:
        await people.come(job(1, "h"), job(2, "h", priority=-9), job(3, "h", priority=-2), job(4, "h", priority=-2))
        assert len(slots._line) == 3
        for number, next_one in ((1, 3), (3, 4), (4, 2)):
            await people.leave(number)
            assert people.running == [next_one]
        assert len(slots._line) == 0


async def test_a_better_job_takes_the_only_place_in_line() -> None:
    async with crowd(Slots(2, per_host=1, line=1)) as people:
        await people.come(job(1, "h"), job(2, "h", priority=-9), job(3, "h", priority=-2))
        assert people.delays[2] > timedelta(0)
        await people.leave(1)
        assert people.running == [3]


async def test_without_a_line_all_that_find_no_place_are_put_back() -> None:
    slots = Slots(2, per_host=1, line=0)
    async with crowd(slots) as people:
        await people.come(job(1, "h"), job(2, "h"))
        assert len(slots._line) == 0
        assert people.delays[2] > timedelta(0)


async def test_who_is_put_back_again_and_again_comes_back_later_up_to_a_bound() -> None:
    async with crowd(Slots(2, per_host=1, line=0)) as people:
        await people.come(job(0, "h"))
        for attempts, (least_s, most_s) in {0: (0.25, 0.5), 3: (2, 4), 99: (5, 10)}.items():
            await people.come(job(attempts + 1, "h", attempts=attempts))
            assert least_s <= people.delays[attempts + 1].total_seconds() <= most_s


async def test_many_that_are_put_back_come_again_ten_a_second() -> None:
    async with crowd(Slots(2, per_host=1, line=0)) as people:
        await people.come(*(job(n, "h") for n in range(1001)))
        for number in (500, 1000):  # less what the test took meanwhile
            assert number / 10 - 5 < people.delays[number].total_seconds() <= number / 10 + 0.1


async def test_looking_on_rests_only_once_very_many_were_put_back_and_until_a_place_is_free() -> None:
    slots = Slots(2, per_host=1, line=0)
    async with crowd(slots) as people:
        await people.come(*(job(n, "h") for n in range(500)))
        await asyncio.wait_for(slots.rest(10**6), 1)
        await people.come(*(job(n, "h") for n in range(500, 1500)))
        resting = asyncio.create_task(slots.rest(10**6))
        await people.settle()
        assert not resting.done()
        await people.leave(0)
        await people.settle()
        assert resting.done()


async def test_who_is_cancelled_in_line_leaves_it_and_takes_no_place() -> None:
    slots = Slots(1, per_host=None, line=None)
    async with crowd(slots) as people:
        await people.come(job(1, "h"), job(2, "h"), job(3, "h"))
        people.tasks[2].cancel()
        await people.leave(1)
        assert people.running == [3]


async def test_who_is_cancelled_as_its_turn_comes_gives_the_place_on() -> None:
    async with crowd(Slots(1, per_host=None, line=None)) as people:
        await people.come(job(1, "h"), job(2, "h"), job(3, "h"))
        people._ends[1].set()
        await asyncio.sleep(0)  # 1 has left, and 2 has its turn but did not hear of it
        people.tasks[2].cancel()
        await people.settle()
        assert people.running == [3]


async def test_closed_it_sends_back_who_waits_and_who_comes() -> None:
    slots = Slots(1, per_host=None, line=None)
    async with crowd(slots) as people:
        await people.come(job(1, "h"), job(2, "h"))
        slots.close()
        await people.come(job(3, "h"))
        assert [people.delays[n] for n in (2, 3)] == [timedelta(0)] * 2
        await people.leave(1)
        assert people.running == []


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://B.S3.amazonaws.com/videos/a?Expires=1&Signature=x", "b.s3.amazonaws.com"),
        ("http://127.0.0.1:9000/a", "127.0.0.1:9000"),
        ("https://[2001:DB8::1]:8443/a", "2001:db8::1:8443"),
        ("https://user:secret@host.example/a", "host.example"),
        ("https://host.example:nine/a", None),
        ("https://[::1/a", None),
        ("//", None),
        ("a/b?c", None),
        (f"https://{'h' * 300}/a", None),
        ("", None),
        (None, None),
    ],
)
def test_a_host_is_read_from_a_url_or_none(url: str | None, host: str | None) -> None:
    assert source_host(url) == host


def test_a_job_carries_its_host_or_nothing() -> None:
    assert (headers("h"), headers(None)) == ({"host": "h"}, None)
