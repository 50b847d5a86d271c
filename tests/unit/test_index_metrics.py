"""Metrics answer whatever becomes of the index, and say when what they show of it is old."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from receiver import metrics
from receiver.api.probes import IndexMetrics
from receiver.errors import StorageUnavailableError


def is_stale() -> bool:
    return bool(metrics.index_stale._value.get())


@pytest.mark.parametrize("error", [StorageUnavailableError("away"), ZeroDivisionError()], ids=["away", "a defect"])
async def test_an_index_that_cannot_be_read_is_marked_stale(error: Exception) -> None:
    outcomes: list[Exception | None] = [None, error, error, None]

    async def measure() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    index = IndexMetrics(measure)
    found = []
    with capture_logs() as events:
        for _ in range(4):
            await index.refresh()
            found.append(is_stale())
    assert found == [False, True, True, False]
    assert [event["event"] for event in events] == ["index_not_measured"] * 2


async def test_an_index_that_does_not_answer_is_asked_once_and_waited_for_shortly() -> None:
    asked, answers = 0, asyncio.Event()

    async def measure() -> None:
        nonlocal asked
        asked += 1
        await answers.wait()

    index = IndexMetrics(measure, limit_s=0.01)
    await asyncio.gather(*(index.refresh() for _ in range(20)))
    await index.refresh()
    assert (is_stale(), asked) == (True, 1)
    answers.set()
    await index.refresh()
    assert (is_stale(), asked) == (False, 1)
