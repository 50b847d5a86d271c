"""What operators may do to a recording by the API, in each of its states."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import ARCHIVED, Outside, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


@pytest.mark.parametrize("state", [state for state in State if state is not State.ARCHIVING])
async def test_retry(database: Database, api_operator: httpx.AsyncClient, outside: Outside, state: State):
    await add(database, row("r1", state=state, attempts=8))
    answer = await api_operator.post("/api/recordings/r1/retry")
    if state in {State.WAITING, State.FAILED, State.MISSING, State.CANCELLED}:
        assert answer.status_code == 200
        found = answer.json()
        assert (found["state"], found["attempts"], found["next_attempt_at"]) == ("pending", 0, "2026-11-23T12:00:00Z")
        assert outside.woken == 1
    else:
        assert_problem(answer, 409, f"a recording that is {state} cannot become pending")
        assert outside.woken == 0


@pytest.mark.parametrize("state", list(State))
async def test_cancel(database: Database, api_operator: httpx.AsyncClient, outside: Outside, state: State):
    await add(database, row("r1", state=state))
    answer = await api_operator.post("/api/recordings/r1/cancel")
    if state in {State.PENDING, State.WAITING, State.FAILED}:
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    else:
        assert_problem(answer, 409, f"a recording that is {state} cannot become cancelled")
    assert outside.woken == 0


async def test_hold_and_release_may_be_repeated_and_name_who_did_it(
    database: Database, api_operator: httpx.AsyncClient
):
    await add(database, row("r1", **ARCHIVED))
    with capture_logs() as events:
        for action, held in (("hold", True), ("hold", True), ("release", False), ("release", False)):
            answer = await api_operator.post(f"/api/recordings/r1/{action}", json={"reason": "a case"})
            assert (answer.status_code, answer.json()["hold"]) == (200, held)
            assert (await api_operator.get("/api/recordings/r1")).json() == answer.json()
    assert [(e["event"], e["recording_id"], e["token_name"]) for e in events] == [
        ("recording_held", "r1", "alice"),
        ("recording_held", "r1", "alice"),
        ("recording_released", "r1", "alice"),
        ("recording_released", "r1", "alice"),
    ]


async def test_concurrent_retries_change_the_recording_once(
    database: Database, api_operator: httpx.AsyncClient, outside: Outside
):
    await add(database, row("r1", state=State.FAILED))
    answers = await asyncio.gather(*(api_operator.post("/api/recordings/r1/retry") for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert outside.woken == 1
