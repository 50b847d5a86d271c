"""All that failed with one code are tried anew by the API: first how many they are, then they."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import NOW, Outside, add, row, state_of

if TYPE_CHECKING:
    from receiver.tables import Database

PATH = "/api/recordings/retry"
FAILURE = {"error_message": "m", "error_at": NOW, "attempts": 8}


@pytest.fixture
async def failed(database: Database) -> None:
    states = {"r1": State.FAILED, "r2": State.FAILED, "r3": State.WAITING, "r4": State.CANCELLED, "r5": State.ARCHIVING}
    await add(
        database,
        *(row(one, state=state, error_code="source_denied", **FAILURE) for one, state in states.items()),
        row("r6", state=State.FAILED, error_code="source_empty", **FAILURE),
    )


@pytest.mark.usefixtures("failed")
async def test_a_dry_run_says_how_many_and_the_retry_does_just_these(
    database: Database, api_operator: httpx.AsyncClient, outside: Outside
):
    asked = {"error_code": "source_denied"}
    with capture_logs() as events:
        answer = await api_operator.post(PATH, json=asked | {"dry_run": True})
        assert answer.json() == {"error_code": "source_denied", "dry_run": True, "count": 3}
        assert [await state_of(database, one) for one in ("r1", "r3")] == [State.FAILED, State.WAITING]
        assert (outside.woken, events) == (0, [])
        answer = await api_operator.post(PATH, json=asked)
    assert (answer.status_code, answer.json()) == (200, asked | {"dry_run": False, "count": 3})
    found = [await state_of(database, f"r{n}") for n in range(1, 7)]
    assert found == [State.PENDING, State.PENDING, State.PENDING, State.CANCELLED, State.ARCHIVING, State.FAILED]
    assert outside.woken == 1
    assert [(e["event"], e["count"], e["code"], e["token_name"]) for e in events] == [
        ("recordings_retried", 3, "source_denied", "alice")
    ]
    assert (await api_operator.post(PATH, json=asked)).json()["count"] == 0


WRONG = [
    (b"", 400, "the body is not JSON"),
    (b"{", 400, "the body is not JSON"),
    (b"[]", 422, "the body: "),
    (b"{}", 422, "error_code: field required"),
    (b'{"error_code": 1}', 422, "error_code: input should be a valid string"),
    (b'{"error_code": ""}', 422, "error_code: string should match pattern"),
    (b'{"error_code": "a", "dry_run": "yes"}', 422, "dry_run: input should be a valid boolean"),
    (b'{"error_code": "a", "dryrun": true}', 422, "dryrun: extra inputs are not permitted"),
    (b'{"error_code": "' + b"a" * 20_000 + b'"}', 413, "at most 16384 bytes"),
]


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(("body", "status", "detail"), WRONG, ids=range(len(WRONG)))
async def test_a_body_that_is_not_understood_does_nothing(
    database: Database, api_operator: httpx.AsyncClient, body: bytes, status: int, detail: str
):
    answer = await api_operator.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, status, detail)
    assert await state_of(database, "r1") is State.FAILED


async def test_a_form_is_no_json(api_operator: httpx.AsyncClient):
    assert_problem(await api_operator.post(PATH, data={"error_code": "a"}), 415, "send the body as application/json")
