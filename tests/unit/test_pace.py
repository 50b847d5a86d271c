from __future__ import annotations

import asyncio

import pytest

from receiver.errors import StoreChecksumError, StoreUnavailableError
from receiver.transfer.pace import Pace, Throttle


async def fail(pace, error, *, began=None, go_on=None):
    async def request():
        async with pace.turn():
            if began is not None:
                began.set()
                await go_on.wait()
            raise error

    with pytest.raises(type(error)):
        await request()


async def test_a_failing_store_halves_the_requests_at_once_down_to_one():
    pace = Pace(8)
    for limit in (4, 2, 1, 1):
        await fail(pace, StoreUnavailableError("SlowDown"))
        assert pace.limit == limit
    await fail(pace, StoreChecksumError("a flipped bit says nothing about load"))
    assert pace.limit == 1


async def test_every_round_of_successes_allows_one_more_up_to_the_most():
    pace = Pace(3)
    await fail(pace, StoreUnavailableError("SlowDown"))
    for _ in range(20):
        async with pace.turn():
            pass
    assert pace.limit == 3


async def test_requests_that_were_open_together_halve_once():
    pace = Pace(8)
    go_on = asyncio.Event()
    begun = [asyncio.Event() for _ in range(4)]
    error = StoreUnavailableError("SlowDown")
    failing = [asyncio.ensure_future(fail(pace, error, began=began, go_on=go_on)) for began in begun]
    await asyncio.gather(*(began.wait() for began in begun))
    go_on.set()
    await asyncio.gather(*failing)
    assert pace.limit == 4


async def test_places_are_given_in_order_and_a_cancelled_wait_leaves_none_taken():
    pace = Pace(1)
    order = []

    async def take(name):
        async with pace.turn():
            order.append(name)

    async with pace.turn():
        waiting = [asyncio.ensure_future(take(name)) for name in "abc"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["a", "c"]
    async with asyncio.timeout(1), pace.turn():
        pass


async def test_the_wait_that_a_store_asks_for_is_everybodys():
    pace = Pace(4)
    await fail(pace, StoreUnavailableError("SlowDown", retry_after_s=0.05))
    asked_at = asyncio.get_running_loop().time()
    async with pace.turn():
        assert asyncio.get_running_loop().time() - asked_at >= 0.04


def test_bytes_are_spread_at_the_rate():
    throttle = Throttle(1000)
    assert throttle.wait_s(500, 10.0) == 0.5
    assert throttle.wait_s(500, 10.0) == 1.0  # 1,000 bytes in the same moment are a second's worth
    assert throttle.wait_s(100, 20.0) == pytest.approx(0.1)  # an idle time is not made up for
