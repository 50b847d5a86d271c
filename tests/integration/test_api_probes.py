"""What the API tells of the service: probes, metrics, and how many recordings are in which state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from receiver.errors import ReceiverError
from receiver.records import State
from tests.support.api import assert_problem
from tests.support.operators import Outside, add, row

if TYPE_CHECKING:
    from receiver.tables import Database


async def test_probes(anonymous: httpx.AsyncClient, outside: Outside):
    for path in ("/healthz", "/readyz"):
        answer = await anonymous.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    for error in (
        ReceiverError("disk of db-7.internal is full"),
        RuntimeError("db-7.internal said what nobody foresaw"),
    ):
        outside.ready_error = error
        assert (await anonymous.get("/healthz")).status_code == 200
        answer = await anonymous.get("/readyz")
        assert_problem(answer, 503, "the service cannot store a delivery now")
        assert answer.headers["retry-after"] == "5"
        assert "db-7" not in answer.text
    exposition = await anonymous.get("/metrics")
    assert exposition.headers["content-type"].startswith("text/plain; version=")
    assert "receiver_deliveries_total" in exposition.text


async def test_stats_name_every_state(database: Database, api_viewer: httpx.AsyncClient):
    await add(database, row("r1"), row("r2"), row("r3", state=State.FAILED))
    found = (await api_viewer.get("/api/stats")).json()
    assert found == {"recordings": dict.fromkeys(State, 0) | {"pending": 2, "failed": 1}}
