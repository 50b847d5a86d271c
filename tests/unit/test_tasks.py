from __future__ import annotations

import asyncio
import gc

import pytest

from receiver.tasks import to_the_end


async def test_it_returns_and_raises_what_the_step_does():
    async def failing():
        raise LookupError("its own")

    assert await to_the_end(asyncio.sleep(0, "done")) == "done"
    with pytest.raises(LookupError, match="its own"):
        await to_the_end(failing())


@pytest.mark.parametrize("outcome", ["done", LookupError("nobody hears of it")])
async def test_a_cancelled_wait_ends_when_the_step_has(outcome):
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context))
    ended, asked = loop.create_future(), asyncio.Event()
    waiting = asyncio.ensure_future(to_the_end(ended, asked.set))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait_for(asked.wait(), 1)
    assert not waiting.done()
    if isinstance(outcome, Exception):
        ended.set_exception(outcome)
    else:
        ended.set_result(outcome)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del ended
    gc.collect()
    assert told == [], "an exception that nobody looked at is told to the loop"


async def test_a_second_cancellation_leaves_the_step_running():
    go, done = asyncio.Event(), asyncio.Event()

    async def step():
        await go.wait()
        done.set()

    waiting = asyncio.ensure_future(to_the_end(step()))
    for _ in range(2):
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gc.collect()
    go.set()
    await asyncio.wait_for(done.wait(), 1)


async def test_a_step_that_is_cancelled_itself_is_told_as_that():
    ended = asyncio.get_running_loop().create_future()
    ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await to_the_end(ended)
