"""Runs beside others and runs alone."""

from __future__ import annotations

import asyncio

from receiver.pipeline.turns import Turns


async def test_a_run_alone_waits_for_others_and_others_for_it() -> None:
    turns, went = Turns(), []
    may_end = {name: asyncio.Event() for name in ("first", "alone", "later")}

    async def run(name: str) -> None:
        async with turns.alone() if name == "alone" else turns.together():
            went.append(name)
            await may_end[name].wait()
            went.append(f"{name} ended")

    async with asyncio.TaskGroup() as tasks:
        for name in may_end:
            tasks.create_task(run(name))
        await asyncio.sleep(0.01)
        assert went == ["first"]
        may_end["first"].set()
        await asyncio.sleep(0.01)
        assert went == ["first", "first ended", "alone"]
        may_end["alone"].set()
        await asyncio.sleep(0.01)
        assert went[3:] == ["alone ended", "later"]
        may_end["later"].set()


async def test_one_that_is_cancelled_while_it_waits_lets_others_in() -> None:
    turns = Turns()
    async with turns.together():
        waiting = asyncio.create_task(_alone(turns))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        async with asyncio.timeout(1), turns.together():
            pass


async def _alone(turns: Turns) -> None:
    async with turns.alone():
        pass
