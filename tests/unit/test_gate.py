"""The gate of one side: closed by the first that it fails, probed by one, open for all once it serves."""

from __future__ import annotations

import asyncio

import pytest

from receiver.errors import Side
from receiver.lifecycle import RetryPolicy
from receiver.pipeline.gate import Gate
from receiver.records import RecordingId

A, B, C = (RecordingId(name) for name in "abc")
BASE_S = 0.02


@pytest.fixture
def gate() -> Gate:
    return Gate(Side.STORE, RetryPolicy(max_attempts=8, base_s=BASE_S, cap_s=100), lambda: 1.0)


async def _probe(gate: Gate, who: RecordingId) -> None:
    await asyncio.wait_for(gate.passed(who), 5)


async def test_one_probes_and_the_others_wait_until_it_is_served(gate: Gate) -> None:
    assert gate.left_s(A) == 0
    gate.close(A, "away", asked_s=0)
    assert 0 < gate.left_s(B) <= BASE_S
    await _probe(gate, B)
    waiting = [asyncio.create_task(gate.passed(who)) for who in (A, C)]
    await asyncio.sleep(BASE_S)
    assert not any(task.done() for task in waiting)
    gate.ease()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not gate.is_closed


async def test_only_what_the_probe_meets_makes_the_pause_longer(gate: Gate) -> None:
    first_s = gate.close(A, "away", asked_s=0)
    assert gate.close(B, "away", asked_s=0) <= first_s
    await _probe(gate, C)
    assert gate.close(C, "away", asked_s=0) == pytest.approx(2 * BASE_S)


async def test_a_probe_that_found_nothing_out_is_followed_by_another(gate: Gate) -> None:
    gate.close(A, "away", asked_s=0)
    await _probe(gate, A)
    waiting = asyncio.create_task(gate.passed(B))
    await asyncio.sleep(0)
    gate.release(A)
    await asyncio.wait_for(waiting, 0.5)


async def test_a_side_that_takes_much_and_serves_nobody_is_left_alone_ever_longer(gate: Gate) -> None:
    pauses = []
    for _ in range(3):
        pauses.append(gate.close(A, "no part is completed", asked_s=0))
        gate.ease()
    assert pauses == pytest.approx([BASE_S, 2 * BASE_S, 4 * BASE_S])
    gate.open()
    assert gate.close(A, "away again", asked_s=0) == pytest.approx(BASE_S)
